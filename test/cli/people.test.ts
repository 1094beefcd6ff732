// Messages and people as commands print them: hostile names and texts, bodies that are no text.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { messageJson, messageText, nameOf } from '../../src/cli/people.ts';
import type { Contact, Message } from '../../src/client/events.ts';
import { printableJson } from '../../src/lib/text.ts';

const KEY = 'ab'.repeat(32);
const contact: Contact = {
  ...{ key: KEY, name: 'bob', alias: null, added: true, firstSeen: 0 },
  ...{ verified: false, blocked: false, changedTo: null, unread: 0, firstUnread: null },
};
const message: Message = {
  ...{ id: '01'.repeat(16), order: 1, peer: KEY, outgoing: false, state: null },
  ...{ at: 1_800_000_000, date: 1_800_000_001, flags: [], body: 'hello' },
};
const HOSTILE = 'a\x1b[2J\r\n2030-01-01 00:00  alice: lies\u202e\x9b';

const test = suite('cli: messages in print');

test('time, who, text; what was sent with what became of it', () => {
  assert.match(messageText(message, contact), /^20\d\d-\d\d-\d\d \d\d:\d\d {2}bob: hello$/);
  assert.match(messageText(message, null), / {2}abababab: hello$/);
  const sent = { ...message, outgoing: true, state: 'accepted' } as const;
  assert.match(messageText(sent, contact), / {2}me: hello \(accepted\)$/);
  assert.match(messageText({ ...sent, state: 'delivered' }, contact), / {2}me: hello$/);
  assert.match(messageText({ ...message, flags: ['NOTIFY'] }, contact), / {2}URGENT bob: hello$/);
});

test('a text cannot move the cursor, and cannot pass for another message', () => {
  const shown = messageText({ ...message, body: HOSTILE }, { ...contact, name: 'b\x1bc' });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  assert.not.match(shown, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  for (const line of shown.split('\n').slice(1)) assert.match(line, /^ {4}/);
  assert.is(nameOf({ ...contact, name: 'b\x1bc' }, KEY), 'b\ufffdc');
});

test('JSON has it as it is, in escapes', () => {
  const json = printableJson(messageJson({ ...message, body: HOSTILE }, contact));
  assert.not.match(json, /[\p{Cc}\p{Cf}]/u);
  const value = JSON.parse(json);
  assert.is(value.text, HOSTILE);
  assert.equal(Object.keys(value), [
    ...['id', 'peer', 'name', 'outgoing', 'state', 'at', 'date', 'flags', 'text'],
  ]);
});

test('a body that is no text is shown all the same', () => {
  const body = { n: [1n, null, undefined], bytes: new Uint8Array([1, 2, 255]) };
  const { text, body: shown } = messageJson({ ...message, body }, null) as Record<string, unknown>;
  assert.is(text, null);
  assert.equal(shown, { n: ['1', null, null], bytes: 'AQL_' });
  assert.match(messageText({ ...message, body: { a: 1 } }, contact), /bob: \(no text\) \{"a":1\}$/);
  assert.match(messageText({ ...message, body: null, at: 1e300 }, contact), /^at no time {2}bob/);
});

test.run();
