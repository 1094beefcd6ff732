// Somebody between client and server: strips, edits, reorders, repeats, cuts, pretends. Either both sides
// agree on what the two of them wanted, or nothing is established and nothing of what was sent is known.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exchangePair, randomBytes } from '../../../src/crypto/sodium.ts';
import { sameBytes } from '../../../src/lib/bytes.ts';
import { FleximError } from '../../../src/lib/errors.ts';
import type { Scheme } from '../../../src/protocols/commstream/schemes.ts';
import { encodeRecord, TYPE } from '../../../src/protocols/commstream/wire.ts';
import { count } from '../../count.ts';
import { type Between, established, FORCED, NOT_FORCED, pair } from './line.ts';
import {
  ACK,
  ascii,
  CHG,
  Client,
  INV,
  join,
  NONE,
  REQ,
  record,
  SecretStream,
  Server,
} from './second.ts';

const test = suite('CommStream attacks');
const names = (...some: string[]) => some as Scheme[];

/** Changes the nth message of one side. */
function editing(
  whose: 'client' | 'server',
  nth: number,
  edit: (bytes: Buffer) => Uint8Array,
): Between {
  let n = 0;
  return (from, bytes) => {
    if (from !== whose || n++ !== nth) return [bytes];
    return [edit(Buffer.from(bytes))];
  };
}

/** The same request for another scheme. */
function asking(name: string, request: Buffer): Uint8Array {
  const n = request[8] as number;
  return record(
    REQ,
    join(ascii('CS1'), Uint8Array.of(name.length), ascii(name), request.subarray(9 + n)),
  );
}

function neitherSide({ told }: ReturnType<typeof pair>, what: string): void {
  assert.is(told.client.agreement, null, `${what}: the client`);
  assert.is(told.server.agreement, null, `${what}: the server`);
}

// ---- the negotiation ----

test('edit: a changed bit anywhere in the negotiation keeps the server from establishing it', () => {
  // Lengths and types as well; the client may hang, waiting for a record that never ends: that is for its time limit.
  const sizes = [5 + 1298, 5 + 15 + 96 + 1120 + 32, 5 + 32];
  const step = count(211, 1);
  for (const [nth, size] of sizes.entries())
    for (let at = nth % step; at < size; at += step) {
      const flip = (bytes: Buffer) => {
        bytes[at] = (bytes[at] as number) ^ (1 << (at % 8));
        return bytes;
      };
      const it = pair({ between: editing(nth === 1 ? 'server' : 'client', nth >> 1, flip) });
      it.line.flow();
      const what = `message ${nth}, byte ${at}`;
      assert.is(it.told.server.agreement, null, what);
      if (nth < 2) assert.is(it.told.client.agreement, null, what);
    }
});

test('strip: a request for plain in place of the real one, whether or not the server would', () => {
  for (const accepts of [FORCED, NOT_FORCED]) {
    const it = pair({
      server: accepts,
      between: editing('client', 0, (bytes) => asking('plain', bytes)),
    });
    it.line.flow();
    neitherSide(it, `the server accepts ${accepts}`);
    assert.ok(['bad-handshake', 'unsupported-encryption'].includes(it.told.client.code as string));
  }
});

test('downgrade, forced: nothing that anybody can say makes a client speak plain', () => {
  const plain = new Map<string, (request: Uint8Array) => Uint8Array>([
    ['ACK plain', (request) => offered(request, ACK, 'plain')],
    ['CHG plain', (request) => offered(request, CHG, 'plain')],
    ['INV', () => record(INV, NONE)],
  ]);
  for (const [what, forge] of plain) {
    const it = pair({ client: FORCED });
    let request: Uint8Array = NONE;
    it.line.between = (from, bytes) => {
      if (from === 'client') request = new Uint8Array(bytes);
      return from === 'client' ? [] : [bytes];
    };
    it.line.flow();
    it.line.give(it.line.client, forge(request));
    it.line.flow();
    neitherSide(it, what);
  }
});

test('downgrade, not forced: plain is agreed on only where whoever answers says so; a server that offers better is not talked down', () => {
  const it = pair({
    client: NOT_FORCED,
    server: NOT_FORCED,
    between: editing('client', 0, (bytes) => asking('plain', bytes)),
  });
  it.line.flow();
  neitherSide(it, 'the request was edited, and the transcripts differ');
  // Who answers himself gets plain: that is what not forced means, and it proves no key.
  const alone = pair({ client: NOT_FORCED });
  let request: Uint8Array = NONE;
  alone.line.between = (_, bytes) => {
    request = new Uint8Array(bytes);
    return [];
  };
  alone.line.flow();
  alone.line.give(alone.line.client, offered(request, CHG, 'plain'));
  assert.equal(
    [alone.told.client.agreement?.scheme, alone.told.client.agreement?.serverKey],
    ['plain', null],
  );
});

test('downgrade, from hybrid to classical: an edited request or offer is found', () => {
  const request = pair({ between: editing('client', 0, (bytes) => asking('x25519-1', bytes)) });
  request.line.flow();
  neitherSide(request, 'the request');
  const list = pair({
    client: names('of-later-days', 'x25519-1'),
    between: editing('server', 0, (bytes) => {
      bytes[0] = ACK;
      return bytes;
    }),
  });
  list.line.flow();
  neitherSide(list, 'CHG made an ACK');
});

/** What a liar with keys of his own offers. */
function offered(
  request: Uint8Array,
  type: number,
  name: string,
  server = randomBytes(32),
): Uint8Array {
  const liar = new Server({ server, exchange: randomBytes(32) }, request);
  return liar.offer(type, name, { random: randomBytes(32), encapsulation: randomBytes(64) }).bytes;
}

test('wrong server key: a server with another key is named, and gets nothing; one that only shows the right key proves nothing', () => {
  const known = exchangePair(randomBytes(32));
  const checkServer = (key: Uint8Array | null) => {
    if (!key || !sameBytes(key, known.publicKey))
      throw new FleximError('relay-key-changed', 'another key');
  };
  const other = pair({ checkServer });
  other.line.flow();
  assert.is(other.told.client.code, 'relay-key-changed');
  assert.is(other.told.server.agreement, null);
  const shown = pair({
    checkServer,
    between: editing('server', 0, (bytes) => {
      known.publicKey.forEach((byte, i) => {
        bytes[5 + 15 + 32 + i] = byte;
      });
      return bytes;
    }),
  });
  shown.line.flow();
  assert.is(shown.told.client.code, 'bad-handshake');
  neitherSide(shown, 'the right key, and not its secret');
});

test('in the middle with keys of his own: he has two streams, and their bindings differ', () => {
  const front = pair();
  let request: Uint8Array = NONE;
  front.line.between = (_, bytes) => {
    request = new Uint8Array(bytes);
    return [];
  };
  front.line.flow();
  const his = randomBytes(32);
  const liar = new Server({ server: his, exchange: randomBytes(32) }, request);
  const offer = liar.offer(ACK, 'x25519-xwing-1', {
    random: randomBytes(32),
    encapsulation: randomBytes(64),
  });
  front.line.give(front.line.client, offer.bytes);
  const back = pair();
  const client = new Client('x25519-xwing-1', {
    random: randomBytes(32),
    exchange: randomBytes(32),
    kem: randomBytes(32),
  });
  back.line.between = (from) => (from === 'client' ? [client.request] : []);
  back.line.flow();
  const accepted = client.accept(new Uint8Array(back.line.sent.at(-1)?.bytes as Buffer));
  back.line.give(back.line.server, accepted.ack);
  const [a, b] = [front.told.client.agreement, back.told.server.agreement];
  assert.ok(a && b);
  assert.not.equal(a.binding, b.binding);
  assert.not.equal(a.serverKey, b.serverKey);
});

test('replay: what another negotiation said is of no use in this one', () => {
  const first = established();
  const heard = first.line.sent.map(({ bytes }) => bytes);
  const server = pair({ between: editing('server', 0, () => heard[1] as Buffer) });
  server.line.flow();
  neitherSide(server, 'the answer of an earlier server');
  const confirm = pair({ between: editing('client', 1, () => heard[2] as Buffer) });
  confirm.line.flow();
  assert.is(confirm.told.server.agreement, null);
  const both = pair();
  both.line.between = (from, bytes) =>
    from === 'client' ? [heard[bytes[0] === REQ ? 0 : 2] as Buffer] : [bytes];
  both.line.flow();
  neitherSide(both, 'a whole client');
});

// ---- records ----

const texts = Array.from({ length: 6 }, (_, i) => `message ${i}`);

/** Says all texts from the client, with somebody in between for the records. */
function saying(tamper: (records: Buffer[]) => readonly Uint8Array[]) {
  const it = established();
  it.line.between = (from, bytes) => {
    if (from !== 'client') return [bytes];
    const records: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 5 + bytes.readUInt32BE(at + 1))
      records.push(bytes.subarray(at, at + 5 + bytes.readUInt32BE(at + 1)));
    return tamper(records);
  };
  for (const text of texts) it.client.send(Buffer.from(text));
  it.line.flow();
  return it.told.server;
}

test('records: edited, repeated, left out, exchanged, put in, cut or joined, the stream ends with bad-record, and what came before is whole', () => {
  const flipped = (bytes: Buffer, at: number) => {
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] as number) ^ 1;
    return copy;
  };
  const cases: readonly (readonly [string, number, (r: Buffer[]) => readonly Uint8Array[]])[] = [
    ['edited', 2, (r) => r.map((each, i) => (i === 2 ? flipped(each, 9) : each))],
    ['its tag edited', 2, (r) => r.map((each, i) => (i === 2 ? flipped(each, 5) : each))],
    [
      'its mac edited',
      2,
      (r) => r.map((each, i) => (i === 2 ? flipped(each, each.length - 1) : each)),
    ],
    ['the header edited', 0, (r) => r.map((each, i) => (i === 0 ? flipped(each, 7) : each))],
    ['repeated', 3, (r) => [...r.slice(0, 3), r[2] as Buffer, ...r.slice(3)]],
    ['the first repeated', 1, (r) => [r[0] as Buffer, ...r]],
    ['left out', 2, (r) => r.filter((_, i) => i !== 2)],
    ['the first left out', 0, (r) => r.slice(1)],
    ['exchanged', 2, (r) => [...r.slice(0, 2), r[3], r[2], ...r.slice(4)] as Buffer[]],
    ['empty put in', 1, (r) => [r[0] as Buffer, encodeRecord(TYPE.sealed), ...r.slice(1)]],
    ['DATA put in', 1, (r) => [r[0] as Buffer, record(TYPE.data, ascii('x')), ...r.slice(1)]],
    ['CLOSE put in', 1, (r) => [r[0] as Buffer, record(TYPE.close, NONE), ...r.slice(1)]],
    ['ACK put in', 1, (r) => [r[0] as Buffer, record(ACK, randomBytes(32)), ...r.slice(1)]],
    [
      'one byte less',
      2,
      (r) => r.map((each, i) => (i === 2 ? encodeRecord(TYPE.sealed, each.subarray(5, -1)) : each)),
    ],
    [
      'two joined',
      2,
      (r) => [
        ...r.slice(0, 2),
        encodeRecord(TYPE.sealed, (r[2] as Buffer).subarray(5), (r[3] as Buffer).subarray(5)),
      ],
    ],
    ['too long', 1, (r) => [r[0] as Buffer, Buffer.from('0700100001', 'hex')]],
  ];
  for (const [what, before, tamper] of cases) {
    const told = saying(tamper);
    assert.equal(told.data_, texts.slice(0, before), what);
    assert.is(told.code, 'bad-record', what);
  }
});

test('records of the other direction, and of another stream, are not taken', () => {
  const it = established();
  it.server.send(Buffer.from('back'));
  it.line.flow();
  it.line.give(it.line.server, it.line.sent.at(-1)?.bytes as Buffer);
  assert.equal([it.told.server.data_, it.told.server.code], [[], undefined]);
  it.line.flow();
  assert.is(it.told.server.code, 'bad-record');
  const [one, other] = [established(), established()];
  one.client.send(Buffer.from('for one'));
  one.line.flow();
  other.line.give(other.line.server, one.line.sent.at(-1)?.bytes as Buffer);
  other.line.flow();
  assert.equal([other.told.server.data_, other.told.server.code], [[], 'bad-record']);
});

test('truncate: an end without CLOSE is truncated, with or without an error, in a record or between two', () => {
  for (const error of [null, new Error('ECONNRESET')])
    for (const cut of [0, 3, 30]) {
      const it = established();
      it.client.send(Buffer.from('all'));
      it.line.between = (_, bytes) => [bytes, bytes.subarray(0, cut)]; // and the beginning of another
      it.line.flow();
      it.line.cut(error);
      assert.equal([it.told.server.data_, it.told.server.code], [['all'], 'truncated']);
      assert.is(it.told.client.code, 'truncated');
    }
});

test('what the one who has the keys sends is looked at, too: inner types, tags, bodies', () => {
  for (const [what, inner, tag, code] of [
    ['an unknown inner type', [9], 0, 'bad-record'],
    ['no inner type', [], 0, 'bad-record'],
    ['a sealed one in a sealed one', [7, 1], 0, 'bad-record'],
    ['DATA with the final tag', [5, 1], 3, 'bad-record'],
    ['CLOSE without it', [6], 0, 'bad-record'],
    ['CLOSE with a body', [6, 1], 3, 'bad-record'],
    ['a tag that is not ours', [5, 1], 1, 'bad-record'],
    ['DATA', [5, 1], 0, undefined],
    ['DATA before a new key', [5, 1], 2, undefined],
    ['CLOSE', [6], 3, null],
  ] as const) {
    const it = pair();
    const client = new Client('x25519-xwing-1', {
      random: randomBytes(32),
      exchange: randomBytes(32),
      kem: randomBytes(32),
    });
    it.line.between = (from) => (from === 'client' ? [client.request] : []);
    it.line.flow();
    const agreed = client.accept(new Uint8Array(it.line.sent.at(-1)?.bytes as Buffer));
    const header = randomBytes(24);
    const stream = new SecretStream(agreed.c2s, header);
    it.line.give(
      it.line.server,
      join(agreed.ack, record(TYPE.sealed, join(header, stream.push(Uint8Array.from(inner), tag)))),
    );
    it.line.flow();
    assert.is(it.told.server.code, code, what);
  }
});

test.run();
