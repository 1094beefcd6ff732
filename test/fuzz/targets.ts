// Every parser of bytes from strangers. A new one is one line here: a name, a few good inputs as
// seeds, and a call that may throw FleximErrors and nothing else.

import { parseEnvelope } from '../../src/fe1/envelope.ts';
import { checkSafetyText } from '../../src/fe1/safety.ts';
import { parseAddress } from '../../src/lib/address.ts';
import { aliasProblem } from '../../src/lib/alias.ts';
import { fromBase64url, toBase64url, utf8 } from '../../src/lib/bytes.ts';
import { printable } from '../../src/lib/text.ts';
import { DATUMS, type DatumName, findTo, datums as wire } from '../../src/protocols/flexim/wire.ts';
import { codec } from '../../src/wire/datum.ts';
import {
  type Delimiter,
  exactly,
  FrameReader,
  lengthPrefixed,
  terminated,
} from '../../src/wire/frames.ts';
import { decode, encode, measure, skip } from '../../src/wire/msgpack.ts';
import { byteArray, integer, list, optional, struct, text } from '../../src/wire/shape.ts';
import { authResponse, command, frame, message } from '../peer.ts';
import * as clients from './clients.ts';
import * as commstream from './commstream.ts';
import * as enclave from './enclave.ts';
import * as fe1 from './fe1.ts';
import * as keys from './keys.ts';
import { memberFrame, strangerBytes } from './visitors.ts';

export interface Target {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  readonly parse: (bytes: Uint8Array) => unknown; // a promise is waited for
  readonly cost?: number; // how many times fewer inputs it gets than others: 1
}

const ofText = (parse: (text: string) => unknown) => (bytes: Uint8Array) => {
  parse(Buffer.from(bytes).toString('latin1'));
};
const ofUtf8 = (parse: (text: string) => unknown) => (bytes: Uint8Array) => {
  parse(Buffer.from(bytes).toString('utf8'));
};
const texts = (...all: string[]) => all.map((each) => new Uint8Array(Buffer.from(each, 'latin1')));

const KEY = 'ab'.repeat(32);
const person = {
  aliases: ['alice', 'Foo'],
  key: new Uint8Array(32).fill(7),
  last_seen: 1539890190,
};
const samples = codec({
  Message: {
    tag: 3,
    fields: { to: text(), flags: list(text(100), 20), date: integer(), msg: optional(text()) },
  },
  Roster: {
    tag: 4,
    fields: {
      users: list(struct({ aliases: list(text()), key: byteArray(32), last_seen: integer(0) })),
    },
  },
});
const datums = [
  { to: KEY, flags: ['NOTIFY'], date: 1539890190, msg: 'HEY, LISTEN!' },
  ['bob', [], -1],
  { users: [person, { ...person, key: [...person.key] }] },
  [[[['a'], person.key, 2 ** 40]]],
  { a: [1.5, null, true, { b: [new Date(0), 'x'.repeat(300)] }] },
].map((value) => encode(value).slice());

// What the library behind decode refuses by itself: a short timestamp, a key named __proto__.
datums.push(Uint8Array.of(0xc7, 1, 0xff, 0), encode(JSON.parse('{"__proto__": 1}')).slice());

const DELIMITERS: readonly Delimiter[] = [
  lengthPrefixed({ tag: 1, size: 2, order: 'big', max: 0xffff }),
  lengthPrefixed({ tag: 0, size: 4, order: 'little', max: 1 << 20 }),
  lengthPrefixed({ tag: 2, size: 1, order: 'big', max: 100 }),
  terminated(10, 64),
  exactly(5),
];

/** The first byte picks the delimiter, the second the size of the chunks. */
function frames(bytes: Uint8Array): void {
  const delimiter = DELIMITERS[(bytes[0] ?? 0) % DELIMITERS.length] as Delimiter;
  const size = 1 + (bytes[1] ?? 0);
  const rest = Buffer.from(bytes.subarray(2));
  let cut = 0;
  const reader = new FrameReader(delimiter, (_, start, end) => {
    cut += end - start;
  });
  for (let at = 0; at < rest.length; at += size) reader.push(rest.subarray(at, at + size));
  if (cut + reader.pending !== rest.length) throw new Error('bytes were lost or made up');
}

const framed = datums.map((bytes, i) =>
  Uint8Array.from([i, 9, 3, bytes.length >> 8, bytes.length & 255, ...bytes, 3, 0, 1, 0xc0]),
);

const flexim: Readonly<Record<DatumName, readonly unknown[]>> = {
  Auth: [{ date: new Uint8Array(57), challenge: new Uint8Array(216), last_seen: person.key }],
  AuthResponse: [{ challenge: person.key, nonce: person.key, invite: null }, [person.key]],
  Command: [{ cmd: 'PING', payload: ['42'] }, ['SEARCH', ['al', '']], { cmd: 'X', payload: [] }],
  Message: [
    { to: `${KEY}/live`, from: '', flags: [], date: 0, msg: person.key },
    ['bob', '', ['a'], 1, 'hi'],
    { a: [1], from: 'x', to: KEY, flags: [], date: -1, msg: '' },
  ],
  Roster: [{ users: [person, person] }],
  User: [{ ...person, proof: 'x' }, [['a'], [...person.key], 2 ** 40]],
  Status: [{ status: -21, payload: `${KEY} 7 words` }, [0, '']],
};
const bodies = (name: DatumName) => flexim[name].map((value) => encode(value).slice());
const tagged = (Object.keys(DATUMS) as DatumName[]).flatMap((name) =>
  bodies(name).map((body) => Uint8Array.from([DATUMS[name].tag, ...body])),
);
const strangers = [
  command('AUTH', KEY, 'alice'),
  authResponse('x', person.key, 'y'),
  Buffer.concat([command('PING', '1'), message(KEY), command('BYE')]),
  frame(9, person.key),
].map((bytes) => new Uint8Array(bytes));

export const TARGETS: readonly Target[] = [
  { name: 'msgpack decode', seeds: datums, parse: decode },
  { name: 'msgpack measure', seeds: datums, parse: (bytes) => measure(bytes, 0, bytes.length) },
  { name: 'msgpack skip', seeds: datums, parse: (bytes) => skip(bytes, 0, bytes.length) },
  { name: 'frames', seeds: framed, parse: frames },
  { name: 'shape Message', seeds: datums, parse: (bytes) => samples.unpack('Message', bytes) },
  { name: 'shape Roster', seeds: datums, parse: (bytes) => samples.unpack('Roster', bytes) },
  {
    name: 'address',
    seeds: texts(`flexim://h:5?relay=${KEY}&transport=t&invite=i#${KEY}`, 'h:1', '[::1%e0]:9'),
    parse: ofText(parseAddress),
  },
  { name: 'alias', seeds: texts('alice', 'm\xfcller', 'a.b_c-9'), parse: ofText(aliasProblem) },
  { name: 'base64url', seeds: texts(toBase64url(person.key), '_-8'), parse: ofText(fromBase64url) },
  {
    name: 'printable',
    seeds: texts('abc', '\x1b[2Jabc\x9b'),
    parse: ofText((t) => printable(t, 9)),
  },
  {
    name: 'flexim findTo',
    seeds: bodies('Message'),
    parse: (bytes) => findTo(bytes, 0, bytes.length),
  },
  ...(Object.keys(DATUMS) as DatumName[]).map((name) => ({
    name: `flexim ${name}`,
    seeds: bodies(name),
    parse: (bytes: Uint8Array) => wire.unpack(name, bytes),
  })),
  { name: 'flexim relay, a member', seeds: tagged, parse: memberFrame },
  { name: 'flexim relay, a stranger', seeds: strangers, parse: strangerBytes },
  {
    name: 'flexim client, the login',
    seeds: clients.loginSeeds,
    parse: clients.relaySays,
    cost: 25,
  },
  {
    name: 'flexim client, logged in',
    seeds: clients.loggedInSeeds,
    parse: clients.relaySaysAfterLogin,
    cost: 25,
  },
  { name: 'flexim Auth, boxes', seeds: clients.authSeeds, parse: clients.authBody, cost: 25 },
  {
    name: 'flexim Auth, a challenge',
    seeds: clients.boxedSeeds,
    parse: clients.challengeInside,
    cost: 25,
  },
  {
    name: 'flexim Auth, a last login',
    seeds: clients.boxedSeeds,
    parse: clients.lastSeenInside,
    cost: 25,
  },
  { name: 'json', seeds: enclave.jsonSeeds, parse: enclave.json },
  { name: 'enclave packet', seeds: enclave.packetSeeds, parse: enclave.packet },
  { name: 'enclave book', seeds: enclave.bookSeeds, parse: enclave.book, cost: 4 },
  { name: 'enclave node', seeds: enclave.streamSeeds, parse: enclave.stream, cost: 10 },
  { name: 'key file', seeds: keys.keyFileSeeds, parse: keys.keyFile },
  { name: 'key file, made good', seeds: keys.keyFileSeeds, parse: keys.keyFileMadeGood },
  { name: 'key file, payload', seeds: keys.payloadSeeds, parse: keys.keyPayload, cost: 4 },
  { name: 'paper', seeds: keys.paperSeeds.map(utf8), parse: ofUtf8(keys.paper) },
  {
    name: 'pins',
    seeds: texts(`h:1 ${KEY}\n[::1]:9 ${KEY}\n`, `a.example:4321 ${KEY.toUpperCase()}`),
    parse: ofUtf8(keys.pinLines),
  },
  {
    name: 'commstream, a client at a server',
    seeds: commstream.clientSeeds,
    parse: commstream.meetsServer,
    cost: 25,
  },
  {
    name: 'commstream, a server at a client',
    seeds: commstream.serverSeeds,
    parse: commstream.meetsClient,
    cost: 25,
  },
  {
    name: 'commstream REQ_ENCRYPT',
    seeds: commstream.requestSeeds,
    parse: commstream.requestAlone,
  },
  { name: 'commstream offer', seeds: commstream.offerSeeds, parse: commstream.offerAlone },
  {
    name: 'commstream records, sealed',
    seeds: commstream.streamSeeds,
    parse: commstream.sealedRecords,
  },
  {
    name: 'commstream records, plain',
    seeds: commstream.plainSeeds,
    parse: commstream.plainRecords,
  },
  { name: 'FE1 envelope', seeds: fe1.envelopes, parse: parseEnvelope },
  { name: 'FE1 receive', seeds: fe1.envelopes, parse: fe1.receiveAny },
  { name: 'FE1 signed prekey', seeds: fe1.records, parse: fe1.signedPrekey },
  { name: 'FE1 one-time prekey', seeds: fe1.oneTimeRecords, parse: fe1.oneTimePrekey },
  { name: 'FE1 content', seeds: fe1.contents, parse: fe1.content },
  { name: 'FE1 session state', seeds: fe1.states, parse: fe1.state },
  {
    name: 'FE1 safety text',
    seeds: texts(...fe1.scanned),
    parse: ofText((t) => checkSafetyText(t, fe1.ownX, fe1.peerX)),
  },
];
