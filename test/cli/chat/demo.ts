// The screen with a scripted messenger, to be looked at:
//   node --import tsx test/cli/chat/demo.ts [--inline | --plain] [--chatter MS] [--fail]
// A child of the tests, too: it says how it ended on stderr. --fail throws after Enter.

import { parseArgs } from 'node:util';
import { openChat } from '../../../src/cli/chat/chat.ts';
import { scene } from './fake.ts';

const { values } = parseArgs({
  options: {
    inline: { type: 'boolean', default: false },
    plain: { type: 'boolean', default: false },
    fail: { type: 'boolean', default: false },
    chatter: { type: 'string' },
  },
});
const chat = scene();
const send = chat.send.bind(chat);
chat.send = async (id, message) => {
  if (values.fail)
    setImmediate(() => {
      throw new TypeError('this is the failure asked for');
    });
  await send(id, message);
  const mine = chat.before(id, null, 1).entries[0];
  if (!mine) return;
  let at = 300;
  for (const state of ['accepted', 'delivered'] as const) {
    setTimeout(() => chat.setState(id, mine.id, state), at).unref();
    at += 300;
  }
};
let count = 0;
const timer = values.chatter
  ? setInterval(() => chat.add('bob', `chatter ${count++}`), Number(values.chatter))
  : undefined;
const mode = values.plain ? 'plain' : values.inline ? 'inline' : null;
const end = await openChat(chat, { mode, start: (session) => session.go('bob') });
clearInterval(timer);
console.error(`ended: ${end}`);
