// docs/protocols/flexim.md against the code: its example bytes, and its tables of datums, codes and
// limits. Who changes one side is told to change the other.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { identityFromSeed } from '../../../src/crypto/identity.ts';
import { MAX_ALIAS_CHARACTERS } from '../../../src/lib/alias.ts';
import { toBase64url, toHex } from '../../../src/lib/bytes.ts';
import { openField } from '../../../src/protocols/flexim/fields.ts';
import { answerChallenge, checkProof, checkResponse } from '../../../src/protocols/flexim/login.ts';
import {
  answersCommand,
  messageEvent,
  STATUS,
  statusFrame,
} from '../../../src/protocols/flexim/status.ts';
import {
  DATUMS,
  type DatumName,
  type Datums,
  datums,
  encodeFrame,
  FRAME_HEAD,
  findTo,
  found,
  HELLO,
  helloDelimiter,
  MAX_BODY,
} from '../../../src/protocols/flexim/wire.ts';
import { DROP_REASONS } from '../../../src/relay/drops.ts';
import * as limits from '../../../src/relay/limits.ts';
import type { DatumOf } from '../../../src/wire/datum.ts';
import { decode, encode, int64, MAX_DEPTH } from '../../../src/wire/msgpack.ts';
import { atOnce } from '../../steps.ts';

const root = join(import.meta.dirname, '../../..');
const doc = readFileSync(join(root, 'docs/protocols/flexim.md'), 'utf8');
const sourceOf = (file: string) => readFileSync(join(root, 'src/protocols/flexim', file), 'utf8');

/** The bytes of the block that begins with ```hex NAME; `#` begins a remark. */
function example(name: string): Buffer {
  const block = new RegExp(`^\`\`\`hex ${name}\\n([^\`]*)^\`\`\`$`, 'm').exec(doc)?.[1];
  if (block === undefined) throw new Error(`the document has no example ${name}`);
  const hex = block.replace(/#.*$/gm, '').replace(/\s/g, '');
  if (!/^([0-9a-f]{2})+$/.test(hex)) throw new Error(`example ${name} is not hex`);
  return Buffer.from(hex, 'hex');
}

function section(heading: string): string {
  const from = doc.indexOf(`\n${heading}`);
  if (from < 0) throw new Error(`the document has no section ${heading}`);
  const level = /^#+/.exec(heading)?.[0] ?? '';
  const rest = doc.slice(from + heading.length + 1);
  const to = rest.search(new RegExp(`^#{2,${level.length}} `, 'm'));
  return to < 0 ? rest : rest.slice(0, to);
}

/** Cells of all table rows whose first cell looks so. */
function rows(text: string, first: RegExp): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    )
    .filter((cells) => first.test(cells[0] ?? ''));
}

const quoted = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1]);
const seeded = (byte: number) => identityFromSeed(new Uint8Array(32).fill(byte));
const relay = seeded(1);
const alice = seeded(2);
const bob = seeded(3);
const counting = (from: number) => Uint8Array.from({ length: 32 }, (_, i) => from + i);
const NOW = 1_767_225_600;
const NONCE = toBase64url(counting(0));
const CHALLENGE = [
  'flexim-auth-1',
  relay.hex,
  toBase64url(new Uint8Array(32)),
  toBase64url(counting(0x20)),
].join(' ');

/** The example is what our codec writes, and is read back as the same. */
function isFrame<N extends DatumName>(example: Buffer, name: N, datum: DatumOf<Datums, N>): void {
  assert.is(toHex(example), toHex(encodeFrame(name, datum)));
  assert.is(datums.nameOf(example[0] as number), name);
  assert.equal(plain(datums.unpack(name, example.subarray(FRAME_HEAD))), plain(datum));
}

/** Why a Message is refused, and the words for people behind that, as status.ts has them. */
function refusalWords(): Map<string, string> {
  const table = /^export const REFUSED[^{]*\{\n(.*?)^\};/ms.exec(sourceOf('status.ts'))?.[1] ?? '';
  const rows = [...table.matchAll(/^ {2}'([a-z-]+)': (['"])(.*)\2,$/gm)];
  return new Map(rows.map(([, word, , words]) => [word ?? '', words ?? '']));
}

const plain = (datum: object) =>
  Object.entries(datum).map(([name, value]) => [
    name,
    value instanceof Uint8Array ? toHex(value) : value,
  ]);

const test = suite('the document of the Flexim protocol');

test('the keys of the example', () => {
  for (const { hex, signing, exchange } of [relay, alice, bob]) {
    assert.ok(doc.includes(`X25519 public    ${hex}\n`));
    assert.ok(doc.includes(`X25519 private   ${toHex(exchange.privateKey)}\n`));
    assert.ok(doc.includes(`Ed25519 public   ${toHex(signing.publicKey)}\n`));
  }
});

test('hello and greeting', () => {
  const hello = example('hello');
  assert.is(toHex(hello), toHex(HELLO));
  assert.is(helloDelimiter(hello, 0, hello.length), hello.length);
  assert.is(decode(hello), 'FLEX');
  isFrame(example('greeting'), 'User', {
    aliases: ['example'],
    key: relay.exchange.publicKey,
    last_seen: NOW,
  });
});

test('login: the plaintexts, the boxes, and both sides take them', () => {
  const auth = datums.unpack('Auth', example('auth').subarray(FRAME_HEAD));
  const response = datums.unpack('AuthResponse', example('auth-response').subarray(FRAME_HEAD));
  isFrame(example('auth-command'), 'Command', { cmd: 'AUTH', payload: [alice.hex] });
  isFrame(example('auth'), 'Auth', auth);
  isFrame(example('auth-response'), 'AuthResponse', response);

  assert.is(toHex(example('inside-date')), toHex(int64(NOW)));
  assert.is(toHex(example('inside-last-seen')), toHex(int64(0)));
  assert.is(toHex(example('inside-challenge')), toHex(encode(CHALLENGE)));
  assert.is(toHex(example('inside-nonce')), toHex(encode(NONCE)));
  assert.ok(doc.includes(`\`\`\`\n${CHALLENGE.replaceAll(' ', '\n')}\n\`\`\``));
  assert.is(openField(auth.date, alice.exchange), NOW);
  assert.is(openField(auth.last_seen, alice.exchange), 0);

  const binding = new Uint8Array(32);
  const from = { identity: alice, relay: relay.exchange.publicKey, binding };
  assert.is(answerChallenge(auth, from).lastSeen, 0);
  assert.is(openField(auth.challenge, alice.exchange), CHALLENGE);
  assert.is(atOnce(checkResponse(response, CHALLENGE, relay.exchange)), NONCE);

  const welcome = example('welcome');
  const user = datums.unpack('User', welcome.subarray(FRAME_HEAD));
  checkProof(user.proof, NONCE);
  isFrame(welcome, 'User', {
    aliases: [],
    key: alice.exchange.publicKey,
    last_seen: NOW,
    proof: NONCE,
  });
  assert.is(toHex(example('queue-sent')), toHex(statusFrame('queueSent')));
});

test('ping, bye, a Message as map and as array, and the event about it', () => {
  isFrame(example('ping'), 'Command', { cmd: 'PING', payload: ['42'] });
  isFrame(example('pong'), 'Status', { status: STATUS.fine, payload: '42' });
  isFrame(example('bye'), 'Command', { cmd: 'BYE', payload: [] });

  const msg = new TextEncoder().encode('hello bob');
  const message = { to: bob.hex, from: '', flags: [], date: 0, msg };
  isFrame(example('message'), 'Message', message);
  const array = example('message-array');
  assert.is(array.readUInt16BE(1), array.length - FRAME_HEAD);
  assert.equal(plain(datums.unpack('Message', array.subarray(FRAME_HEAD))), plain(message));
  for (const frame of [example('message'), array]) {
    findTo(frame, FRAME_HEAD, frame.length);
    assert.is(frame.toString('utf8', found.start, found.end), bob.hex);
  }
  const event = `${bob.hex} 1 nobody here has that name`;
  assert.is(toHex(example('unknown')), toHex(statusFrame('unknownRecipient', event)));
});

test('the queue: event 20, ACKS and its answer, ACK, a refusal; and the stop', () => {
  isFrame(example('acks'), 'Command', { cmd: 'ACKS', payload: ['on'] });
  isFrame(example('acks-fine'), 'Status', { status: STATUS.fine, payload: '' });
  isFrame(example('ack'), 'Command', { cmd: 'ACK', payload: ['1'] });
  assert.is(toHex(example('queued')), toHex(messageEvent('queued', bob.hex, 2)));
  const why = `share-full ${refusalWords().get('share-full')}`;
  assert.is(toHex(example('share-full')), toHex(messageEvent('queueFull', bob.hex, 3, why)));
  assert.is(toHex(example('stopping')), toHex(statusFrame('stopping', '3 the relay is stopping')));
});

test('what is said about sizes', () => {
  assert.is(example('auth').length, 365);
  const size = (to: string, length: number) => {
    const datum = { to, from: '', flags: [], date: 0, msg: new Uint8Array(length) };
    return encodeFrame('Message', datum).length - FRAME_HEAD - length;
  };
  assert.is(size(bob.hex, 65_407), 96);
  assert.is(size(`${bob.hex}/live`, 65_407), 101);
  const long = statusFrame('malformed', 'x'.repeat(2_000)).subarray(FRAME_HEAD);
  assert.is(datums.unpack('Status', long).payload.length, 512);
});

test('§2.2 lists the datums and their fields', () => {
  const table = rows(section('### 2.2'), /^\d+$/).map(([tag, name, fields]) => [
    Number(tag),
    name,
    quoted(fields ?? ''),
    (fields ?? '').match(/`[a-z_]+`\?/g)?.length ?? 0,
  ]);
  const real = Object.entries(DATUMS).map(([name, { tag, fields }]) => [
    tag,
    name,
    Object.keys(fields),
    Object.values(fields).filter((field) => typeof field !== 'function').length,
  ]);
  assert.equal(table, real);
});

test('§9 lists the codes, and which of them answer a command', () => {
  const table = rows(section('### 9.2'), /^-?\d+$/);
  const real = Object.entries(STATUS).map(([name, code]) => [String(code), name]);
  assert.equal(
    table.map(([code, name]) => [code, name]),
    real,
  );
  const answers = new Set<number>();
  for (const part of /^\| ([^|]*) \| the answer/m.exec(section('### 9.1'))?.[1]?.split(', ') ??
    []) {
    const [from = 0, to = from] = part.split(' to ').map(Number);
    for (let code = Math.min(from, to); code <= Math.max(from, to); code++) answers.add(code);
  }
  for (let code = -128; code <= 127; code++)
    assert.is(answers.has(code), answersCommand(code), `${code}`);
});

const FULL = 'store-full';

test('§8 and §9 know the first words that the code sends', () => {
  const codes = new Map(
    rows(section('### 9.2'), /^-?\d+$/).map(([, name, , text]) => [name, text]),
  );
  const folder = join(root, 'src/protocols/flexim');
  const source = readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');
  const sent = [...source.matchAll(/statusFrame\(\s*'(\w+)',\s*['`]([a-z-]+) /g)];
  assert.ok(sent.length >= 9, 'the pattern finds them');
  for (const [, name, word] of sent)
    assert.ok(quoted(codes.get(name) ?? '').includes(word), `${name}: ${word}`);
  const refusals = [...source.matchAll(/^ {2}'(alias-[a-z]+)':/gm)].map(([, word]) => word);
  // The visitor refuses for the store what the commands would have done.
  const listed = quoted(codes.get('refused') ?? '').filter((word) => /^[a-z-]+$/.test(word ?? ''));
  assert.equal(listed, [...refusals, 'stale-seq', FULL]);
  assert.equal(
    rows(section('### 8.4'), /^`/).flatMap(([word]) => quoted(word ?? '')),
    refusals,
  );
});

test('§6.3 lists why a Message is refused, §9.2 and the counts of the relay know it', () => {
  const words = [...refusalWords().keys()];
  const listed = rows(section('### 6.3'), /^`/).flatMap(([word]) => quoted(word ?? ''));
  assert.equal(listed, words);
  const codes = new Map(
    rows(section('### 9.2'), /^-?\d+$/).map(([, name, , text]) => [name, text]),
  );
  assert.equal(quoted(codes.get('queueFull') ?? ''), ['TO N', ...words]);
  for (const word of words) assert.ok((DROP_REASONS as readonly string[]).includes(word), word);
});

test('§6.4, §7.4 and §9.4 give the limits as they are', () => {
  const {
    commitBytes,
    commitsBytes,
    drainMs,
    queueBytes,
    queueMessages,
    queueShare,
    quietMs,
    replyBytes,
    waitingBytes,
    windowBytes,
    windowMessages,
  } = limits.DEFAULT_LIMITS;
  const number = (value: number) => value.toLocaleString('en');
  const says = (heading: string, ...phrases: readonly string[]) => {
    const text = section(heading).replace(/\s+/g, ' ');
    for (const phrase of phrases) assert.ok(text.includes(phrase), `${heading}: ${phrase}`);
  };
  const size = (bytes: number) =>
    bytes % 2 ** 20 === 0 ? `${bytes / 2 ** 20} MiB` : `${bytes / 2 ** 10} KiB`;
  says(
    '### 6.4',
    `fewer than ${number(windowMessages)} Messages and at most ${size(windowBytes)} `,
    `at most ${size(waitingBytes)} (this one counted; less`,
    `more than ${size(commitBytes)} of its Messages are on their way to the disk`,
    `more than ${size(commitsBytes)} of all senders'`,
    `more than ${size(waitingBytes / 4)} wait for that recipient`,
    `at most ${size(waitingBytes / 8)} wait, or 100 ms have passed`,
    `more than ${size(replyBytes)} of the relay's answers`,
  );
  says('### 7.3', `At ${number(windowMessages)} Messages or ${size(windowBytes)} `);
  const part = (all: number) =>
    `${number(all)} | ${number(Math.floor((all * queueShare) / 100))} |`;
  says('### 7.4', `| ${part(queueMessages)}`, `| ${part(queueBytes)}`);
  says('### 9.4', `looks every ${quietMs} ms`, `${drainMs / 1_000} s have passed since the -7`);
});

test('§9.3 lists why a login fails', () => {
  const real = DROP_REASONS.filter((reason) => reason.startsWith('login-'));
  const listed = rows(section('### 9.3'), /^`/).flatMap(([why]) => quoted(why ?? ''));
  assert.equal(listed.sort(), [...real, FULL].sort());
});

test('§8.2 lists the commands', () => {
  const table = /^const COMMANDS[^{]*\{\n(.*?)^\};/ms.exec(sourceOf('commands.ts'))?.[1] ?? '';
  const real = [...table.matchAll(/^ {2}([A-Z0-9_]+):/gm)].map(([, name]) => name);
  const listed = rows(section('### 8.2'), /^[A-Z0-9_]+$/).map(([name]) => name);
  const stages = sourceOf('stranger.ts') + sourceOf('member.ts');
  const early = [...stages.matchAll(/\bcmd === '([A-Z]+)'/g)].map(([, name]) => name);
  assert.ok(early.length >= 8, 'the pattern finds them');
  assert.equal(listed.sort(), [...new Set([...real, ...early])].sort());
});

test('§11 lists the limits', () => {
  const table = rows(section('## 11'), /^`/).map(([name, value]) => [
    quoted(name ?? '')[0],
    Number((value ?? '').replaceAll(',', '')),
  ]);
  const { DEFAULT_LIMITS, liveLimits: _, rateOf: __, ...constants } = limits;
  const real = { ...DEFAULT_LIMITS, ...constants, MAX_BODY, MAX_DEPTH, MAX_ALIAS_CHARACTERS };
  assert.equal(table.sort(), Object.entries(real).sort());
});

test('sections are numbered without a gap, and every § exists', () => {
  const numbers = [...doc.matchAll(/^#{2,3} (\d+(?:\.\d+)?)\.? /gm)].map(([, number]) => number);
  const top = numbers.filter((number) => !number?.includes('.'));
  assert.equal(
    top,
    Array.from({ length: 12 }, (_, i) => String(i + 1)),
  );
  for (const [whole, number] of doc.matchAll(/(?<!RFC 4648 )§(\d+(?:\.\d+)?)/g))
    assert.ok(numbers.includes(number), whole);
  let last = [0, 0];
  for (const number of numbers) {
    const [major = 0, minor = 0] = (number ?? '').split('.').map(Number);
    const next = minor === 0 ? [(last[0] ?? 0) + 1, 0] : [last[0], (last[1] ?? 0) + 1];
    assert.equal([major, minor], next);
    last = [major, minor];
  }
});

test.run();
