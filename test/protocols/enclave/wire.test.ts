// Packets: round trips, the form on the wire, and every wrong type in every attribute.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isFleximError } from '../../../src/lib/errors.ts';
import {
  decodePacket,
  encodePacket,
  MAX_PACKET,
  packetDelimiter,
} from '../../../src/protocols/enclave/wire.ts';
import { FrameReader } from '../../../src/wire/frames.ts';
import { framed, lengthened } from './raw.ts';

const test = suite('enclave: packets');
const KEY = 'ab'.repeat(32);

const PACKETS = [
  { alias: 'John Smith', status: 1, 'status-message': '', timestamp: 1_700_000_000 },
  { message: 'hello, wörld \u{1f600}', timestamp: 0 },
  { 'flexim-key': KEY, 'fe1-spr': Uint8Array.of(1, 2, 255), alias: 'a', status: 0 },
  { fe1: new Uint8Array(700).fill(7), timestamp: -1 },
  {},
];

test('the form of the document: a 32 bit length in network order, then JSON', () => {
  const bytes = encodePacket({ message: 'hi' });
  assert.is(bytes.toString('latin1'), '\0\0\0\x10{"message":"hi"}');
  const long = encodePacket({ message: 'x'.repeat(256 - 14) });
  assert.equal([...long.subarray(0, 4)], [0, 0, 1, 0]);
});

test('every packet survives, whole, byte by byte, and two in a chunk', () => {
  const all = Buffer.concat(PACKETS.map((packet) => encodePacket(packet)));
  for (const size of [1, 3, 5, 1_000, all.length]) {
    const got: unknown[] = [];
    const reader = new FrameReader(packetDelimiter(MAX_PACKET), (bytes, start, end) =>
      got.push(decodePacket(bytes, start, end).packet),
    );
    for (let at = 0; at < all.length; at += size) reader.push(all.subarray(at, at + size));
    assert.equal(got, PACKETS);
    assert.is(reader.pending, 0);
  }
});

test('unknown attributes are kept for whoever knows them', () => {
  const { packet, more } = decodePacket(framed({ message: 'a', mood: ['b', { c: 1 }], x: null }));
  assert.equal(packet, { message: 'a' });
  assert.equal({ ...more }, { mood: ['b', { c: 1 }], x: null });
  const proto = decodePacket(lengthened(Buffer.from('{"__proto__":{"message":"x"}}')));
  assert.equal([Object.keys(proto.packet), Object.keys(proto.more ?? {})], [[], ['__proto__']]);
  assert.is(proto.packet.message, undefined);
  assert.is(decodePacket(framed({ message: 'a' })).more, null);
});

const WRONG: Readonly<Record<string, readonly unknown[]>> = {
  alias: [1, true, [], {}, ['a'], '', 'a'.repeat(129)],
  status: ['1', 1.5, true, [], {}, -1, 2 ** 60, 1e300],
  'status-message': [0, false, [], {}, 'a'.repeat(1_025)],
  message: [0, true, [], {}, ['a']],
  timestamp: ['1', 1.5, true, [], {}, 2 ** 53, 1e300],
  'flexim-key': [0, true, [], {}, '', 'ab', `${KEY}a`, 'zz'.repeat(32), `${KEY} `],
  'fe1-spr': [0, true, [], {}, '', '=', 'a', 'ab=', 'a b', '+/', 'A'.repeat(30_000)],
  fe1: [0, true, [], {}, '', '=', 'a', 'ab=', 'A'.repeat(90_000)],
};

test('each wrong type in each attribute is malformed and names it', () => {
  for (const [name, values] of Object.entries(WRONG))
    for (const value of [null, ...values])
      assert.throws(
        () => decodePacket(framed({ [name]: value })),
        (error: unknown) => isFleximError(error, 'malformed') && error.message.startsWith(name),
        `${name}: ${JSON.stringify(value)?.slice(0, 40)}`,
      );
});

test('what is no object is malformed', () => {
  for (const value of [[], [1], 'a', 1, null, true])
    assert.throws(() => decodePacket(framed(value)), /a packet is an object/);
});

test('a status that the document does not have is no mistake', () => {
  assert.equal(decodePacket(framed({ status: 7 })).packet, { status: 7 });
});

test('what is longer than a packet is not sent, and not waited for', () => {
  assert.throws(
    () => encodePacket({ message: 'x'.repeat(MAX_PACKET) }),
    (error: unknown) => isFleximError(error, 'frame-too-large'),
  );
  const head = Buffer.from([0, 0x10, 0, 1]);
  assert.throws(
    () => packetDelimiter(MAX_PACKET)(head, 0, 4),
    (error: unknown) => isFleximError(error, 'frame-too-large'),
  );
  assert.throws(() => packetDelimiter(MAX_PACKET)(Buffer.alloc(4, 255), 0, 4));
});

test.run();
