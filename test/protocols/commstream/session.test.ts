// One stream from its first byte to its last, on a line in memory: bytes in every cut, rekeying, the ends,
// who stops in the middle, and that nothing of it stays.

import sodium from 'libsodium-wrappers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { livingStreams } from '../../../src/crypto/secretstream.ts';
import { exchangePair, randomBytes } from '../../../src/crypto/sodium.ts';
import { answer, ask } from '../../../src/protocols/commstream/negotiation.ts';
import {
  REKEY_MS,
  REKEY_RECORDS,
  recordOf,
  SealedInward,
  SealedOutward,
} from '../../../src/protocols/commstream/records.ts';
import { EARLY_RECORD, receive, TYPE } from '../../../src/protocols/commstream/wire.ts';
import { count } from '../../count.ts';
import { established, FORCED, NOT_FORCED, pair, STILL } from './line.ts';
import { ACK, INV, REQ, record, SecretStream } from './second.ts';

await sodium.ready;
const test = suite('CommStream sessions');

test('bytes in every cut: whole, one by one, two records in a chunk, cut in the head', () => {
  for (const size of [1, 2, 3, 4, 5, 6, 7, 31, 64, 1_000, 100_000]) {
    const it = pair();
    it.line.between = (_, bytes) => {
      const parts = [];
      for (let at = 0; at < bytes.length; at += size) parts.push(bytes.subarray(at, at + size));
      return parts;
    };
    it.line.flow();
    const texts = ['', 'a', 'bc', 'x'.repeat(300), 'y'.repeat(5_000)];
    for (const text of texts) it.client.send(Buffer.from(text));
    it.client.close();
    it.line.flow();
    assert.equal(it.told.server.data_, texts, `${size} bytes a chunk`);
    assert.equal([it.told.server.code, it.told.client.code], [null, null]);
  }
});

test('what comes behind the last word of the negotiation, in the same chunk, is read', () => {
  const it = pair();
  it.line.between = (from, bytes) => (from === 'server' || bytes[0] === REQ ? [bytes] : []);
  it.line.flow();
  const last = it.line.sent.at(-1)?.bytes as Buffer; // the client's ACK, held back
  it.client.send(Buffer.from('at once'));
  it.line.flow();
  const sealed = it.line.sent.at(-1)?.bytes as Buffer;
  it.line.give(it.line.server, Buffer.concat([last, sealed]));
  assert.equal(it.told.server.data_, ['at once']);
});

test('the longest message goes through, and one more byte would be no record', () => {
  const it = established();
  const most = Buffer.alloc(1_048_000, 'm');
  it.client.send(most);
  it.line.flow();
  assert.is(it.told.server.data_[0]?.length, most.length);
  it.line.give(it.line.server, Buffer.from('07001000010000', 'hex'));
  it.line.flow();
  assert.is(it.told.server.code, 'bad-record');
});

test('until it is established a record has 8 KiB at most, and nothing may come behind it', () => {
  const long = pair();
  long.line.give(long.line.server, Buffer.from([REQ, 0, 0, (EARLY_RECORD >> 8) & 255, 1]));
  long.line.give(long.line.client, Buffer.from([ACK, 0xff, 0xff, 0xff, 0xff]));
  long.line.flow();
  assert.equal([long.told.server.code, long.told.client.code], ['bad-handshake', 'bad-handshake']);
  const flood = pair({ turn: () => true }); // its turn never comes
  flood.line.between = (_, bytes) => [bytes, Buffer.alloc(20_000)];
  flood.line.flow();
  assert.is(flood.told.server.code, 'bad-handshake');
});

test('who stops in the middle: at every byte of the negotiation an end is bad-handshake on both sides, and nobody throws', () => {
  const whole = established().line.sent;
  for (const [n, { from, bytes }] of whole.entries())
    for (let at = 0; at < bytes.length; at += count(197, 1)) {
      const it = pair();
      let seen = 0;
      it.line.between = (_, each) => (seen++ === n ? [each.subarray(0, at)] : [each]);
      it.line.flow();
      it.line.cut();
      const { client, server } = it.told;
      assert.is(server.code, 'bad-handshake', `message ${n}, byte ${at}`);
      assert.is(client.code, from === 'client' && n === 2 ? 'truncated' : 'bad-handshake');
    }
});

test('a new key every 1,024 records', () => {
  const key = randomBytes(32);
  const out = new SealedOutward(key.slice(), { clock: STILL });
  let stream: SecretStream | null = null;
  const tags: number[] = [];
  for (let i = 0; i < 2 * REKEY_RECORDS + 5; i++) {
    const bytes = recordOf(out, TYPE.data, Uint8Array.of(i & 255));
    stream ??= new SecretStream(key, bytes.slice(5, 29));
    const tag = stream.pull(bytes.slice(i === 0 ? 29 : 5))?.tag;
    if (tag !== 0) tags.push(i, tag ?? -1);
  }
  assert.equal(tags, [REKEY_RECORDS - 1, 2, 2 * REKEY_RECORDS - 1, 2]);
  assert.is(REKEY_RECORDS, 1_024);
  out.free();
});

test('a new key every 10 minutes, with the next record', () => {
  let now = 0;
  const key = randomBytes(32);
  const clock = { now: () => now, wall: () => 0 };
  const out = new SealedOutward(key.slice(), { clock });
  const stream: SecretStream[] = [];
  const tagAt = (time: number) => {
    now = time;
    const bytes = recordOf(out, TYPE.data, Uint8Array.of(1));
    const isFirst = stream.length === 0;
    if (isFirst) stream.push(new SecretStream(key, bytes.slice(5, 29)));
    return stream[0]?.pull(bytes.slice(isFirst ? 29 : 5))?.tag;
  };
  assert.is(REKEY_MS, 600_000);
  assert.equal([0, 599_999, 600_000, 600_001, 1_199_999, 1_200_000].map(tagAt), [0, 0, 2, 0, 0, 2]);
  out.free();
});

test('over many new keys both ways every message arrives', () => {
  const it = established();
  const many = 3 * REKEY_RECORDS;
  for (let i = 0; i < many; i++) {
    it.client.send(Buffer.from(`${i}`));
    it.server.send(Buffer.from(`${-i}`));
  }
  it.line.flow();
  assert.equal(
    it.told.server.data_.map(Number),
    Array.from({ length: many }, (_, i) => i),
  );
  assert.equal(
    it.told.client.data_.map(Number),
    Array.from({ length: many }, (_, i) => -i),
  );
});

test('CLOSE ends both directions, is answered, and comes behind everything that was sent', () => {
  for (const side of ['client', 'server'] as const)
    for (const schemes of [FORCED, ['plain'] as const]) {
      const it = established({ client: schemes, server: NOT_FORCED });
      const other = side === 'client' ? 'server' : 'client';
      it[side].send(Buffer.from('last words'));
      it[side].close();
      it[side].close();
      it[side].send(Buffer.from('and one more'));
      it.line.flow();
      assert.equal(it.told[other].data_, ['last words']);
      assert.equal([it.told.client.code, it.told.server.code], [null, null]);
    }
});

test('what comes behind a CLOSE is not looked at', () => {
  const it = established();
  it.line.between = (_, bytes) => [Buffer.concat([bytes, randomBytes(50)])];
  it.client.close();
  it.line.flow();
  assert.equal([it.told.client.code, it.told.server.code], [null, null]);
});

test('both close at once', () => {
  const it = established();
  it.client.close();
  it.server.close();
  it.line.flow();
  assert.equal([it.told.client.code, it.told.server.code], [null, null]);
});

test('calls from inside a callback: sending, closing, cutting', () => {
  const echo = established();
  echo.told.server.onData = (body) => echo.server.send(Buffer.from(body));
  for (let i = 0; i < 5; i++) echo.client.send(Buffer.from(`${i}`));
  echo.line.flow();
  assert.equal(echo.told.client.data_, ['0', '1', '2', '3', '4']);
  const closing = established();
  closing.told.server.onData = () => closing.server.close();
  for (let i = 0; i < 5; i++) closing.client.send(Buffer.from(`${i}`));
  closing.line.flow();
  assert.equal([closing.told.server.data_, closing.told.server.code], [['0'], null]);
  const cutting = established();
  cutting.told.server.onData = () => cutting.server.reset();
  for (let i = 0; i < 5; i++) cutting.client.send(Buffer.from(`${i}`));
  cutting.line.flow();
  assert.equal([cutting.told.server.data_, cutting.told.server.code], [['0'], null]);
  assert.is(cutting.told.client.code, 'truncated');
});

test('a held stream gives nothing, and loses nothing', () => {
  const it = established();
  it.server.hold();
  for (let i = 0; i < 5; i++) it.client.send(Buffer.from(`${i}`));
  it.line.flow();
  assert.equal(it.told.server.data_, []);
  it.server.release();
  assert.equal(it.told.server.data_, ['0', '1', '2', '3', '4']);
});

test('public-key work waits for its turn, in steps, and nothing is read meanwhile', () => {
  const steps: (() => boolean)[] = [];
  const it = pair({ turn: (step) => steps.push(step) > 0 });
  it.line.flow();
  assert.is(it.line.server.isPaused, true);
  assert.is(it.line.sent.length, 1);
  let n = 1;
  while (steps[0]?.()) n++;
  assert.is(n, 4); // the exchange key; ee; es; the KEM, and the offer
  assert.is(it.line.server.isPaused, false);
  it.line.flow();
  assert.is(it.told.server.agreement?.scheme, 'x25519-xwing-1');
  const busy = pair({ turn: () => false });
  busy.line.flow();
  assert.equal([busy.told.server.code, busy.told.client.code], ['slow-down', 'bad-handshake']);
});

test('a turn that comes after the end does nothing', () => {
  const steps: (() => boolean)[] = [];
  const it = pair({ turn: (step) => steps.push(step) > 0 });
  it.line.flow();
  it.line.cut();
  assert.is(steps[0]?.(), false);
  assert.is(it.told.server.code, 'bad-handshake');
});

test('a box without an inner type is none, also where its MAC looks like one', () => {
  const key = randomBytes(32);
  for (const [tag, looks] of [
    [0, TYPE.data],
    [3, TYPE.close],
  ] as const) {
    let header = randomBytes(24);
    let box = new SecretStream(key, header).push(new Uint8Array(0), tag);
    while (box[1] !== looks) {
      header = randomBytes(24);
      box = new SecretStream(key, header).push(new Uint8Array(0), tag);
    }
    const record = Buffer.concat([Uint8Array.of(TYPE.sealed, 0, 0, 0, 24 + 17), header, box]);
    const into = new SealedInward(key.slice());
    assert.throws(() => into.read(record, 0, record.length), /not what the other side sent/);
    into.free();
  }
});

// ---- what stays: nothing ----

/** Where the next block of this size would lie: the same as before when all was given back. */
function heapMark(): number {
  const { libsodium } = sodium as unknown as {
    libsodium: { _malloc(n: number): number; _free(at: number): void };
  };
  const at = libsodium._malloc(52);
  libsodium._free(at);
  return at;
}

test('the states of streams are given back: a hundred thousand of them do not grow the heap', () => {
  const one = (i: number) => {
    const key = randomBytes(32);
    const out = new SealedOutward(key.slice(), { clock: STILL });
    const into = new SealedInward(key);
    const bytes = recordOf(out, TYPE.data, Uint8Array.of(i & 255));
    into.read(bytes, 0, bytes.length);
    out.free();
    into.free();
    out.free();
    into.free();
  };
  for (let i = 0; i < 100; i++) one(i);
  const before = [heapMark(), livingStreams()];
  for (let i = 0; i < count(1_000, 100_000); i++) one(i);
  assert.equal([heapMark(), livingStreams()], before);
});

test('however a stream ends, its states are given back', () => {
  const ways: readonly ((it: ReturnType<typeof established>) => void)[] = [
    ({ client }) => client.close(),
    ({ server }) => server.reset(),
    ({ line }) => line.cut(new Error('ECONNRESET')),
    ({ line }) => line.give(line.server, record(TYPE.sealed, randomBytes(60))),
    ({ line }) => line.give(line.client, record(INV, randomBytes(60))),
  ];
  const once = () => {
    for (const end of ways) {
      const it = established();
      it.client.send(Buffer.from('x'));
      it.server.send(Buffer.from('y'));
      it.line.flow();
      end(it);
      it.line.flow();
      it.line.cut();
    }
  };
  once();
  const before = [heapMark(), livingStreams()];
  for (let i = 0; i < count(20, 200); i++) once(); // one block that is lost moves the mark
  assert.equal([heapMark(), livingStreams()], before);
});

test('a stream that was freed is used no more', () => {
  const out = new SealedOutward(randomBytes(32), { clock: STILL });
  out.free();
  assert.throws(() => recordOf(out, TYPE.data, Uint8Array.of(1)), /freed/);
});

test('the two sides, given up in the middle, end', () => {
  const asking = ask({ schemes: FORCED, draw: randomBytes, checkServer: () => {} });
  const request = asking.next().value as Uint8Array;
  assert.is(asking.return(undefined as never).done, true);
  const keys = exchangePair(randomBytes(32));
  const answering = answer(receive(request), { schemes: FORCED, draw: randomBytes, server: keys });
  answering.next(undefined as never);
  assert.is(answering.return(null).done, true);
});

test.run();
