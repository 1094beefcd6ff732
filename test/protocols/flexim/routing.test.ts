// Routing by `to` alone: docs/protocols/flexim.md §6. What arrives is what was sent, byte by byte.

import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isFleximError } from '../../../src/lib/errors.ts';
import { datums, findTo, found } from '../../../src/protocols/flexim/wire.ts';
import { count } from '../../count.ts';
import {
  command,
  counted,
  countOf,
  frame,
  message,
  newKeys,
  type Peer,
  statusOf,
  TYPE,
} from '../../peer.ts';
import { scene } from '../../scene.ts';
import { slowFindTo } from './slow-find.ts';

const raw = (...parts: (number | string | Uint8Array)[]) =>
  Buffer.concat(
    parts.map((part) =>
      typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part as string),
    ),
  );
const u16 = (n: number) => Buffer.from([n >> 8, n & 255]);
const u32 = (n: number) => Buffer.from([0, 0, n >> 8, n & 255]);

/** A text with the head byte and length field of one format. */
const FORMATS: Readonly<Record<string, (text: string) => Buffer>> = {
  str8: (text) => raw(0xd9, Buffer.byteLength(text), text),
  str16: (text) => raw(0xda, u16(Buffer.byteLength(text)), text),
  str32: (text) => raw(0xdb, u32(Buffer.byteLength(text)), text),
  bin8: (text) => raw(0xc4, Buffer.byteLength(text), text),
  bin16: (text) => raw(0xc5, u16(Buffer.byteLength(text)), text),
  bin32: (text) => raw(0xc6, u32(Buffer.byteLength(text)), text),
};
const str8 = FORMATS.str8 as (text: string) => Buffer;
const TO = raw(0xa2, 'to');

/** Bodies that name the recipient, each in its own odd way. */
function bodiesTo(hex: string): Record<string, Buffer> {
  const rest = { from: 'x', flags: ['NOTIFY'], date: 1539890190, msg: 'HEY' };
  const nested = JSON.parse(`${'['.repeat(16)}${']'.repeat(16)}`);
  const bodies: Record<string, Uint8Array> = {
    'to first': encode({ to: hex, ...rest }),
    'to last': encode({ ...rest, to: hex }),
    'to in the middle': encode({ from: '', flags: [], to: hex, date: 0, msg: '' }),
    'upper-case hex': encode({ to: hex.toUpperCase(), ...rest }),
    'mixed-case hex': encode({ to: hex.slice(0, 32) + hex.slice(32).toUpperCase(), ...rest }),
    'an array': encode([hex, 'x', [], 0, 'HEY']),
    'an array of one': encode([hex]),
    array16: raw(0xdc, u16(2), str8(hex), 0xc0),
    array32: raw(0xdd, u32(2), str8(hex), 0xc0),
    'array whose count is wrong': raw(0x9f, str8(hex)),
    map16: raw(0xde, u16(1), TO, str8(hex)),
    map32: raw(0xdf, u32(1), TO, str8(hex)),
    'map whose count is wrong': raw(0x8f, TO, str8(hex)),
    'map whose count is beyond reason': raw(0xdf, 255, 255, 255, 255, TO, str8(hex)),
    'to alone': encode({ to: hex }),
    'unknown keys of all types': encode({ a: 1.5, b: { c: [null, new Uint8Array(3)] }, to: hex }),
    'keys that are no texts': raw(0x84, 7, 0xc0, 0xc4, 2, 'to', 0xc0, 0x91, 1, 0x80, TO, str8(hex)),
    'nested 16 deep before to': encode({ deep: nested, to: hex }),
    'a text before to that is no UTF-8': raw(0x82, 0xa1, 0xff, 0xa2, 0xc0, 0x80, TO, str8(hex)),
    'ext and timestamps before to': raw(
      0x83,
      1,
      0xd6,
      0xff,
      u32(1),
      2,
      0xc7,
      1,
      9,
      9,
      TO,
      str8(hex),
    ),
    'fields of foreign types': encode({ to: hex, from: 7, flags: 'x', date: [], msg: { a: 1 } }),
    'an encrypted from': encode({ to: hex, from: new Uint8Array(60).fill(0xee), msg: null }),
    'nonsense behind to': raw(0x85, TO, str8(hex), 0xc1, 0xff, 0xdf, 255, 255, 255, 255),
    'bytes behind the map': raw(0x81, TO, str8(hex), 'trailing'),
    'nested too deep behind to': raw(0x82, TO, str8(hex), 1, Buffer.alloc(40, 0x91)),
    'two to, of which the first counts': raw(0x82, TO, str8(hex), TO, str8('nobody')),
    'keys like to': encode({ t: 1, o: 2, tO: 'x', too: 'nobody', 'to ': 'nobody', to: hex }),
    'a to inside another value': encode({ a: { to: 'nobody' }, b: ['to', 'nobody'], to: hex }),
    'a text that holds a to': encode({ a: '\xa2to\xa6nobody', to: hex }),
    '/live': encode({ to: `${hex}/live`, ...rest }),
    'upper case and /live': encode({ to: `${hex.toUpperCase()}/live` }),
    'the largest body': (() => {
      const head = raw(0x82, TO, str8(hex), 0xa3, 'msg', 0xc5);
      const left = 0xffff - head.length - 2;
      return raw(head, u16(left), Buffer.alloc(left, 0x03));
    })(),
  };
  for (const [name, write] of Object.entries(FORMATS)) {
    bodies[`to as ${name}`] = raw(0x82, 0xa1, 'x', 5, TO, write(hex));
    bodies[`to as ${name} in an array`] = raw(0x91, write(hex));
    if (name.startsWith('str')) bodies[`the key to as ${name}`] = raw(0x81, write('to'), str8(hex));
  }
  return Object.fromEntries(
    Object.entries(bodies).map(([name, body]) => [name, Buffer.from(body)]),
  );
}

// ---- the very same bytes ----

const same = suite('flexim routing: the same bytes');

same(
  'whatever else is in a Message, it arrives as it was sent, and no event comes',
  scene(async ({ member }) => {
    const alice = await member();
    const bob = await member(newKeys(), 'Bob');
    for (const [name, body] of Object.entries(bodiesTo(bob.hex))) {
      const sent = frame(TYPE.Message, body);
      alice.peer.write(sent);
      assert.is((await bob.peer.next()).bytes.toString('hex'), sent.toString('hex'), name);
    }
    assert.equal(await alice.peer.settled(), []);
    assert.equal(await bob.peer.settled(), []);
  }),
);

same(
  'an alias in every spelling that folds to it, also with /live',
  scene(async ({ member }) => {
    const alice = await member();
    const bob = await member(newKeys(), 'Böb.1');
    for (const to of [
      'Böb.1',
      'böb.1',
      'BO\u0308B.1',
      'Ｂö\uff42.１',
      'bo\u0308b.1/live',
      'BÖB.1/live',
    ]) {
      const sent = message(to, to);
      alice.peer.write(sent);
      assert.equal((await bob.peer.next()).bytes, sent);
    }
    assert.equal(await alice.peer.settled(), []);
  }),
);

same(
  'to oneself, by key and by alias',
  scene(async ({ member }) => {
    const { peer, hex } = await member(newKeys(), 'me');
    for (const to of [hex, 'me', 'me/live']) {
      peer.write(message(to));
      assert.equal((await peer.next()).bytes, message(to));
    }
  }),
);

same(
  'every cut of a stream of two frames',
  scene(async ({ member }) => {
    const alice = await member();
    const bob = await member();
    const other = await member();
    const one = counted(bob.hex, 1);
    const two = frame(TYPE.Message, encode([bob.hex]));
    const stream = Buffer.concat([one, two]);
    for (let cut = 0; cut <= stream.length; cut++) {
      alice.peer.write(stream.subarray(0, cut));
      if (cut < one.length) await other.peer.settled(); // by then the relay has read the first part
      if (cut >= one.length) assert.equal((await bob.peer.next()).bytes, one);
      alice.peer.write(stream.subarray(cut));
      if (cut < one.length) assert.equal((await bob.peer.next()).bytes, one);
      assert.equal((await bob.peer.next()).bytes, two);
    }
    for (let i = 0; i < stream.length; i++) alice.peer.write(stream.subarray(i, i + 1));
    assert.equal((await bob.peer.next()).bytes, one);
    assert.equal((await bob.peer.next()).bytes, two);
    assert.equal(await alice.peer.settled(), []);
  }),
);

same(
  '10,000 Messages of one sender keep their order, between those of others',
  scene(
    async ({ member }) => {
      const COUNT = 10_000;
      const bob = await member();
      const noise = await member();
      const alice = await member();
      const each = Array.from({ length: COUNT }, (_, i) => counted(bob.hex, i, i % 50));
      for (let at = 0; at < COUNT; at += 100) {
        alice.peer.write(...each.slice(at, at + 100));
        noise.peer.write(message(bob.hex, 'noise'));
      }
      let expected = 0;
      let others = 0;
      while (expected < COUNT || others < 100) {
        const got = await bob.peer.next();
        if (got.bytes.equals(message(bob.hex, 'noise'))) others++;
        else assert.is(countOf(got), expected++);
      }
      assert.equal(await alice.peer.settled(), []);
    },
    { limits: { waitingBytes: 64 * 1024 * 1024 } },
  ),
);

same.run();

// ---- events ----

const events = suite('flexim routing: events');

/** The events as [status, first word, second word]. */
const told = (frames: Awaited<ReturnType<Peer['settled']>>) =>
  frames.map((each) => {
    const { status, payload } = statusOf(each);
    const [to, n] = payload.split(' ');
    return [status, to, n];
  });

events(
  'each event names `to` as sent and the number of the Message on this connection',
  scene(async ({ relay, member }) => {
    const alice = await member();
    const bob = await member(newKeys(), 'bob');
    const away = await member(newKeys(), 'Away');
    await away.peer.ask('BYE');
    await away.peer.closed;
    const stranger = newKeys().hex;
    alice.peer.write(
      message(stranger), // 1
      message(bob.hex), // 2
      message(away.hex), // 3
      message('AWAY'), // 4
      frame(TYPE.Message, Buffer.of(0x80)), // 5
      message(`${stranger}/live`), // 6
      message(`${away.hex}/live`), // 7
      message('nobody'), // 8
      message(away.hex.toUpperCase()), // 9
      message('nobody/live'), // 10
      message(''), // 11
      message('/live'), // 12
      message(`${away.hex}/live/live`), // 13
      message(`${bob.hex} `), // 14
      message('__proto__'), // 15
    );
    const all = told(await alice.peer.settled());
    const [queued, refused] = [true, false].map((is) => all.filter((it) => (it[0] === 20) === is));
    assert.equal(refused, [
      [-20, stranger, '1'],
      [-22, 'malformed', 'to:'],
      [-20, 'nobody', '8'],
      [-20, '', '11'],
      [-20, bob.hex, ''],
      [-20, '__proto__', '15'],
    ]);
    // They come when the disk has them, each in its order.
    assert.equal(queued, [
      [20, away.hex, '3'],
      [20, 'AWAY', '4'],
      [20, away.hex.toUpperCase(), '9'],
    ]);
    assert.is((await bob.peer.settled()).length, 1);
    assert.equal(relay.relay.drops.totals(), {
      'live-away': 2,
      'recipient-unknown': 8,
      malformed: 1,
    });
    const { queued: waited } = await member(away.keys);
    assert.equal(
      waited.map(({ bytes }) => bytes),
      [message(away.hex), message('AWAY'), message(away.hex.toUpperCase())],
      'byte by byte, and no /live among them',
    );
  }),
);

events(
  'a long `to` names nobody and is cut in the event; bytes that are no UTF-8 are replaced',
  scene(async ({ member }) => {
    const { peer, hex } = await member();
    const long = 'é'.repeat(300);
    peer.write(
      message(long),
      message(`${long}/live`),
      frame(TYPE.Message, raw(0x91, 0xc4, 2, 0xff, 0xfe)),
      message(hex + '0'.repeat(60_000)),
    );
    const frames = await peer.settled();
    assert.equal(told(frames), [
      [-20, long.slice(0, 256), '1'],
      [-20, '\ufffd\ufffd', '3'],
      [-20, (hex + '0'.repeat(300)).slice(0, 256), '4'],
    ]);
    for (const each of frames) assert.ok(each.bytes.length < 1_000);
  }),
);

events(
  'a recipient is known from its first login on, over a later one too',
  scene(async ({ member }) => {
    const alice = await member();
    const keys = newKeys();
    alice.peer.write(message(keys.hex));
    assert.equal(told(await alice.peer.settled()), [[-20, keys.hex, '1']]);
    const bob = await member(keys);
    alice.peer.write(message(keys.hex));
    assert.equal((await bob.peer.next()).bytes, message(keys.hex));
    await bob.peer.ask('BYE');
    await bob.peer.closed;
    alice.peer.write(message(keys.hex));
    assert.equal(told(await alice.peer.settled()), [[20, keys.hex, '3']]);
  }),
);

events(
  'malformed Messages get -22 and the connection goes on',
  scene(async ({ relay, member }) => {
    const alice = await member();
    const bob = await member();
    const hex = Buffer.from(bob.hex);
    const malformed = [
      raw(),
      raw(0xc0),
      raw(0xc1),
      raw('to'),
      raw(0x80),
      raw(0x90),
      raw(0xdc, 0),
      raw(0xdf, 0, 0, 0),
      raw(0x81),
      raw(0x81, TO),
      raw(0x81, TO, 0xd9),
      raw(0x81, TO, 0xd9, 64),
      raw(0x81, TO, 0xd9, 64, hex.subarray(1)),
      raw(0x81, TO, 0xdb, 255, 255, 255, 255, hex),
      raw(0x81, TO, 0xc6, 255, 255, 255, 255, hex),
      raw(0x81, TO, 7),
      raw(0x81, TO, 0xc0),
      raw(0x81, TO, 0x91, 0xd9, 64, hex),
      raw(0x81, TO, 0xc7, 64, 1, hex),
      raw(0x82, 0xa1, 'x', 0xc1, TO, str8(bob.hex)),
      raw(0x82, 1, Buffer.alloc(17, 0x91), 0xc0, TO, str8(bob.hex)),
      raw(0x82, 1, 0xdd, 255, 255, 255, 255, TO, str8(bob.hex)),
      raw(0x81, 0xa2, 'TO', str8(bob.hex)),
      raw(0x81, 0xc4, 2, 'to', str8(bob.hex)), // a key of a map is str
      raw(0x91, 0x81, TO, str8(bob.hex)),
      raw(0x00, 0x81, TO, str8(bob.hex)),
    ];
    for (const [i, body] of malformed.entries()) {
      alice.peer.write(frame(TYPE.Message, body));
      const { status, payload } = await alice.peer.status();
      assert.is(status, -22, `body ${i}: ${body.toString('hex')}`);
      assert.match(payload, /^malformed ./);
    }
    for (const type of [TYPE.Auth, TYPE.Roster, TYPE.User, TYPE.Status, 7, 0x7f, 0xff]) {
      alice.peer.write(frame(type, message(bob.hex).subarray(3)));
      const { status, payload } = await alice.peer.status();
      assert.is(status, -22, `type ${type}`);
      assert.match(payload, /^unknown-type ./);
    }
    assert.is(relay.relay.drops.of('malformed'), malformed.length);
    assert.is(relay.relay.drops.of('unknown-type'), 7);
    alice.peer.write(message('nobody'), message(bob.hex));
    assert.equal(told(await alice.peer.settled()), [[-20, 'nobody', String(malformed.length + 1)]]);
    assert.equal((await bob.peer.next()).bytes, message(bob.hex));
    assert.equal(await bob.peer.settled(), []);
  }),
);

events(
  'a frame that never ends is no trouble to anybody, nor is one that comes slowly',
  scene(async ({ member }) => {
    const alice = await member();
    const slow = await member();
    const bob = await member();
    const long = counted(bob.hex, 1, 60_000);
    slow.peer.write(long.subarray(0, 50_000));
    alice.peer.write(counted(bob.hex, 2));
    assert.is(countOf(await bob.peer.next()), 2);
    slow.peer.write(long.subarray(50_000), command('PING', 'done'));
    assert.equal((await bob.peer.next()).bytes, long);
    assert.is((await slow.peer.status()).payload, 'done');
  }),
);

events.run();

// ---- findTo against its slow twin ----

const twin = suite('flexim findTo');

/** What findTo says of body, which lies between other bytes. */
function fastFindTo(body: Uint8Array, before: number, after: Uint8Array): string | null {
  const bytes = Buffer.concat([Buffer.alloc(before, 0xa2), body, after]);
  try {
    findTo(bytes, before, before + body.length);
    return bytes.toString('hex', found.start, found.end);
  } catch (error) {
    if (isFleximError(error, 'malformed')) return null;
    throw error;
  }
}

const texts = fc.oneof(
  fc.constantFrom('to', 't', 'o', 'too', 'TO', ''),
  fc.string({ maxLength: 40 }),
);
const written = fc
  .tuple(
    texts,
    fc.constantFrom(...Object.values(FORMATS), (text: string) => encode(text)),
  )
  .map(([text, write]) => Buffer.from(write(text)));
const values = fc.oneof(
  { weight: 3, arbitrary: written },
  fc.anything({ maxDepth: 3, withBigInt: false, withMap: false, withDate: true }).map((value) => {
    try {
      return Buffer.from(encode(value));
    } catch {
      return Buffer.of(0xc0);
    }
  }),
  fc.integer({ min: 0, max: 18 }).map((depth) => raw(Buffer.alloc(depth, 0x91), 0xc0)),
  fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)), // mostly malformed
);
const heads = fc
  .tuple(fc.constantFrom('fix', '16', '32'), fc.boolean(), fc.integer({ min: -2, max: 2 }))
  .map(([width, isMap, error]) => (entries: number) => {
    const count = Math.max(0, (isMap ? entries : entries * 2) + error);
    if (width === '32') return raw(isMap ? 0xdf : 0xdd, u32(count));
    if (width === '16' || count > 15) return raw(isMap ? 0xde : 0xdc, u16(count));
    return raw((isMap ? 0x80 : 0x90) + count);
  });
const maps = fc
  .tuple(heads, fc.array(fc.tuple(fc.oneof(fc.constant(TO), values), values), { maxLength: 6 }))
  .map(([head, entries]) => Buffer.concat([head(entries.length), ...entries.flat()]));
const mutated = fc
  .tuple(maps, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }), fc.nat(), fc.boolean())
  .map(([map, changes, cut, cuts]) => {
    const bytes = Buffer.from(map);
    for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
    return cuts ? bytes.subarray(0, cut % (bytes.length + 1)) : bytes;
  });

for (const [name, bodies] of Object.entries({ maps, 'mutated maps': mutated }))
  twin(`agrees with its slow twin on ${name}, whatever lies around them`, () => {
    const seen = { found: 0, malformed: 0 };
    fc.assert(
      fc.property(bodies, fc.nat(4), fc.uint8Array({ maxLength: 80 }), (body, before, after) => {
        const expected = slowFindTo(body);
        if (expected === null) seen.malformed++;
        else seen.found++;
        assert.is(fastFindTo(body, before, after), expected, body.toString('hex'));
      }),
      { numRuns: count(1_000, 5_000), seed: 20_260_101 },
    );
    assert.ok(seen.found > 300 && seen.malformed > 300, JSON.stringify(seen));
  });

twin('agrees with its slow twin on every cut of every odd body', () => {
  const hex = newKeys().hex;
  for (const [name, body] of Object.entries(bodiesTo(hex))) {
    const whole = body.subarray(0, 300);
    for (let end = 0; end <= whole.length; end++) {
      const cut = whole.subarray(0, end);
      const behind = whole.subarray(end); // must not be looked at
      assert.is(fastFindTo(cut, 3, behind), slowFindTo(cut), `${name}, ${end} bytes`);
    }
  }
});

twin('bytes out of a datum can be copied with slice, whatever they were read from', () => {
  const bytes = Buffer.from(encode(['a', '', [], 0, new Uint8Array(8).fill(7)]));
  const { msg } = datums.unpack('Message', bytes);
  const copy = (msg as Uint8Array).slice();
  bytes.fill(0);
  assert.equal([...copy], new Array(8).fill(7));
});

twin.run();
