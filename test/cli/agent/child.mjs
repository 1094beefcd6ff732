// A process with an agent of the profile, over what npm run build makes. It says each thing as a line of
// JSON, and sends what it is told to on stdin. As a bot it answers what comes, under ids that follow from
// those of the questions, so that answering again is harmless.

import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { openAgent } from '../../../dist/cli/agent/open.js';

const { role, settings } = JSON.parse(process.argv[2]);
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const agent = await openAgent(settings);
const events = agent.events();
say({ said: 'open', key: agent.me.key });

async function answer({ id, peer, body }) {
  const own = createHash('sha256').update(`answer ${id}`).digest('hex').slice(0, 32);
  await agent.ask('send', peer, { body: `re: ${body}` }, own);
  await agent.ask('read', peer, id); // not before: what was not answered is unread
}

async function answerAll() {
  for (const message of await agent.ask('unread')) await answer(message);
}

async function listen() {
  if (role === 'bot') await answerAll();
  for await (const event of events) {
    say({ said: event.kind, body: event.message?.body, code: event.error?.code });
    if (role !== 'bot') continue;
    if (event.kind === 'message') await answer(event.message);
    if (event.kind === 'moved' || event.kind === 'missed') await answerAll();
  }
}
const listening = listen();

createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const { who, body, id } = JSON.parse(line);
    await agent.ask('send', who, { body }, id);
    say({ said: 'sent', id });
  })
  .on('close', async () => {
    await agent.close();
    await listening;
    say({ said: 'closed' });
  });
