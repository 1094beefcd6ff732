// flexim verify and trust: whether somebody is who he seems to be. Both work without a connection.

import type { Contact } from '../../client/events.ts';
import { safetyNumber } from '../../fe1/safety.ts';
import { fromHex, utf8 } from '../../lib/bytes.ts';
import { FleximError } from '../../lib/errors.ts';
import type { Agent } from '../agent/agent.ts';
import { withAgent } from '../agent/use.ts';
import type { Context, TRUST, VERIFY } from '../command.ts';
import { write, writeJson } from '../output.ts';
import { contactJson, known, nameOf, wordOf } from '../people.ts';
import { tell } from '../profile.ts';
import { leastWidth, qrLines } from '../qr/blocks.ts';
import { encodeQr } from '../qr/encode.ts';

const GROUPS_A_LINE = 4;

export async function verify({ settings, args }: Context<typeof VERIFY>): Promise<void> {
  const { yes, no, json } = settings;
  if (yes && no) throw new FleximError('usage', '--yes or --no, not both');
  await withAgent(settings, async (agent) => {
    const before = await known(agent, args.who ?? '');
    const contact = yes || no ? await agent.ask('verify', before.key, yes) : before;
    const { number, code } = await agent.ask('safety', contact.key);
    if (json) return writeJson({ ...contactJson(contact), number, code });
    if (!yes && !no) await explain(contact, number, code);
    const name = nameOf(contact, contact.key);
    tell(`${name} is ${contact.verified ? 'verified' : 'not verified'}`);
  });
}

async function explain(contact: Contact, number: string, code: string): Promise<void> {
  const name = nameOf(contact, contact.key);
  if (contact.changedTo !== null)
    tell(
      `The relay now gives another key for ${name}; this number is of the old one.\nflexim trust ${wordOf(contact)} shows that of the new one`,
    );
  for (const line of linesOf(number)) await write(line);
  await drawCode(code);
  tell(
    `Compare the number with what ${name} sees, over another way than this relay: by voice, or in`,
  );
  tell(`person; or scan the code. If it is the same: flexim verify ${wordOf(contact)} --yes`);
}

/** On a terminal with room for it. */
async function drawCode(code: string): Promise<void> {
  const { isTTY, columns } = process.stdout;
  if (!isTTY) return;
  const matrix = encodeQr(utf8(code));
  const lines = qrLines(matrix, { columns, colours: !process.env.NO_COLOR });
  if (lines.length === 0)
    tell(
      `(A code to scan needs a terminal of ${leastWidth(matrix)} columns; this one has ${columns}.)`,
    );
  else for (const line of ['', ...lines, '']) await write(line);
}

export async function trust({ settings, args }: Context<typeof TRUST>): Promise<void> {
  const { compared, json } = settings;
  await withAgent(settings, async (agent) => {
    const before = await known(agent, args.who ?? '');
    const name = nameOf(before, before.key);
    const { changedTo } = before;
    if (changedTo === null)
      throw new FleximError('bad-input', `the key of ${name} has not changed; nothing to accept`);
    const number = numberWith(agent, changedTo);
    if (before.verified && !compared) {
      if (!json) await showNew(changedTo, number);
      throw new FleximError(
        'contact-changed',
        `${name} was verified: compare the safety number of the new key, over another way, and then: flexim trust ${wordOf(before)} --compared`,
      );
    }
    const contact = await agent.ask('trust', before.key, compared);
    if (json) return writeJson({ ...contactJson(contact), number });
    await showNew(changedTo, number);
    tell(`${name} now has this key${compared ? ', and is verified' : ''}`);
    if (!compared) tell(`to be sure of it: flexim verify ${wordOf(contact)}`);
  });
}

async function showNew(key: string, number: string): Promise<void> {
  await write(`new key  ${key}`);
  for (const line of linesOf(number)) await write(line);
}

function numberWith(agent: Agent, key: string): string {
  const [ours, theirs] = [agent.me.key, key].map((hex) => fromHex(hex, 32) as Uint8Array);
  return safetyNumber(ours as Uint8Array, theirs as Uint8Array);
}

function linesOf(number: string): string[] {
  const groups = number.split(' ');
  const rows = Math.ceil(groups.length / GROUPS_A_LINE);
  return Array.from({ length: rows }, (_, i) =>
    groups.slice(i * GROUPS_A_LINE, (i + 1) * GROUPS_A_LINE).join(' '),
  );
}
