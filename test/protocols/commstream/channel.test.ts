// A stream as a Channel: bytes in and out, when a write is written, holding back, and the ends, as net/'s
// Connection needs them. docs/protocols/commstream.md §7.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exchangePair, randomBytes } from '../../../src/crypto/sodium.ts';
import type { FleximError } from '../../../src/lib/errors.ts';
import type { ChannelHandler } from '../../../src/net/channel.ts';
import { flushAll } from '../../../src/net/connection.ts';
import {
  LONG_RECORD,
  PIECE,
  SecureChannel,
  SHORT_RECORD,
} from '../../../src/protocols/commstream/channel.ts';
import { FORCED, Line, STILL } from './line.ts';

const test = suite('CommStream as a channel');

class Taken implements ChannelHandler {
  bytes = Buffer.alloc(0);
  chunks = 0;
  end: Error | null | undefined;
  onData: () => void = () => {};
  data(chunk: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, chunk]);
    this.chunks++;
    this.onData();
  }
  closed(error: Error | null): void {
    if (this.end !== undefined) throw new Error('closed twice');
    this.end = error;
  }
  get code(): string | null | undefined {
    return this.end === undefined ? undefined : ((this.end as FleximError | null)?.code ?? null);
  }
}

function channels(failed?: (error: FleximError) => void) {
  const line = new Line();
  const server = exchangePair(randomBytes(32));
  const answering = { schemes: FORCED, draw: randomBytes, server };
  const asking = { schemes: FORCED, draw: randomBytes, checkServer: () => {} };
  const far = new SecureChannel(line.server, {
    ...{ clock: STILL, role: { side: 'server', answering } },
    ...(failed ? { failed } : {}),
  });
  const near = new SecureChannel(line.client, { clock: STILL, role: { side: 'client', asking } });
  return { line, far, near, server, at: { near: new Taken(), far: new Taken() } };
}

/** Established, with both handlers in place, and lasting. */
function opened() {
  const made = channels();
  made.far.open(made.at.far);
  made.near.open(made.at.near);
  made.line.flow();
  made.far.keep();
  made.near.keep();
  return made;
}

test('what is written arrives, both ways, whatever its length', () => {
  const { line, near, far, at } = opened();
  let sent = Buffer.alloc(0);
  for (const length of [1, 100, 8_191, 8_192, 8_193, PIECE - 1, PIECE, PIECE + 1, 300_000]) {
    const bytes = Buffer.from(randomBytes(length));
    sent = Buffer.concat([sent, bytes]);
    near.write(bytes, () => {});
    far.write(bytes, () => {});
    line.flow();
  }
  assert.ok(at.far.bytes.equals(sent));
  assert.ok(at.near.bytes.equals(sent));
  assert.is(PIECE, 65_535);
  assert.is(LONG_RECORD, 65_536 + 24 + 17 + 1);
});

test('binding and key of the server are those of the stream; before it, none', () => {
  const { line, near, far, server, at } = channels();
  assert.equal([near.binding, near.serverKey, near.scheme], [new Uint8Array(32), null, null]);
  far.open(at.far);
  near.open(at.near);
  line.flow();
  assert.equal(near.binding, far.binding);
  assert.not.equal(near.binding, new Uint8Array(32));
  assert.equal(near.serverKey, server.publicKey);
  assert.equal([near.scheme, near.remote], ['x25519-xwing-1', '192.0.2.7']);
});

test('what is written before it is established goes out then; a held handler gets nothing, also then', () => {
  const { line, near, far, at } = channels();
  far.open(at.far);
  far.pause();
  near.open(at.near);
  let written = 0;
  near.write(Buffer.from('early'), () => written++);
  far.write(Buffer.from('early too'), () => written++);
  line.flow();
  assert.equal([at.near.bytes.toString(), at.far.bytes.toString(), written], ['early too', '', 2]);
  far.resume();
  far.resume();
  assert.is(at.far.bytes.toString(), 'early');
});

test('a client that has begun keeps what comes for whoever opens it', async () => {
  const { line, near, far, at } = channels();
  far.open(at.far);
  const begun = near.begin();
  line.flow();
  await begun;
  far.write(Buffer.from('first'), () => {});
  line.flow();
  near.open(at.near);
  line.flow();
  assert.is(at.near.bytes.toString(), 'first');
});

test('a write is written when the system has all of it, in order, and little is sealed ahead', () => {
  const { line, near, at } = opened();
  const order: string[] = [];
  const large = Buffer.alloc(1_000_000, 7);
  near.write(large, () => order.push('large'));
  near.write(Buffer.from('small'), () => order.push('small'));
  assert.ok(line.client.out.reduce((sum, { bytes }) => sum + bytes.length, 0) < 200_000);
  assert.equal(order, []);
  line.flow();
  assert.equal(order, ['large', 'small']);
  assert.is(at.far.bytes.length, 1_000_005);
});

test('end: behind everything that was written, then both are closed without an error', () => {
  const { line, near, at } = opened();
  near.write(Buffer.alloc(500_000, 1), () => {});
  near.end();
  near.end();
  near.write(Buffer.from('too late'), () => {});
  line.flow();
  assert.is(at.far.bytes.length, 500_000);
  assert.equal([at.near.code, at.far.code], [null, null]);
});

test('end of a held channel is seen: what still comes is read and passed on to nobody', () => {
  const { line, near, far, at } = opened();
  near.pause();
  far.write(Buffer.from('unread'), () => {});
  line.flow();
  near.end();
  line.flow();
  assert.equal([at.near.bytes.length, at.near.code, at.far.code], [0, null, null]);
});

test('the other side ends: what it has not taken is not written, and nobody is told that it was', () => {
  const { line, near, far, at } = opened();
  let written = 0;
  far.end();
  line.flow();
  near.write(Buffer.from('to nobody'), () => written++);
  line.flow();
  assert.equal([written, at.near.code, at.far.code], [0, null, null]);
});

test('reset: cut at once; the other side knows that it was cut', () => {
  const { line, near, at } = opened();
  near.reset();
  line.flow();
  assert.equal([at.near.code, at.far.code], [null, 'truncated']);
  const early = channels();
  early.far.reset();
  assert.is(early.line.server.isReset, true, 'not yet opened');
});

test('a failed negotiation: the handler is told, or who asked for it in its place; begin fails', async () => {
  const failures: string[] = [];
  const { line, near, far, at } = channels(({ code }) => failures.push(code));
  line.between = () => [Buffer.alloc(40, 1)];
  far.open(at.far);
  const begun = near.begin().then(
    () => 'ok',
    (error: FleximError) => error.code,
  );
  line.flow();
  line.cut();
  assert.is(await begun, 'bad-handshake');
  assert.equal([failures, at.far.code], [['bad-handshake'], null]);
  near.open(at.near);
  assert.is(at.near.code, 'bad-handshake', 'who opens it later hears of it, too');
});

test('longer records than may be are not taken; more may be when it is to last', () => {
  assert.is(SHORT_RECORD, 8_192);
  const short = channels();
  short.far.open(short.at.far);
  short.near.open(short.at.near);
  short.line.flow();
  short.near.write(Buffer.alloc(9_000), () => {});
  short.line.flow();
  assert.is(short.at.far.code, 'bad-record');
  const lasting = opened();
  assert.is(lasting.line.server.kept, 1);
  lasting.near.write(Buffer.alloc(PIECE), () => {});
  lasting.line.flow();
  assert.is(lasting.at.far.bytes.length, PIECE);
});

test('a handler that stops is given nothing more; what came together is one piece', () => {
  const { line, near, far, at } = opened();
  at.far.onData = () => far.pause();
  for (let i = 0; i < 4; i++) near.write(Buffer.from(`${i}`), () => {}); // 0, and the others behind it
  line.flow();
  assert.is(at.far.bytes.toString(), '0');
  far.resume();
  assert.is(at.far.bytes.toString(), '0123');
});

test('records that came together, and then one that is wrong: what was before it is given, and nothing behind it', () => {
  for (const [wrong, code] of [
    [1, 'bad-record'],
    [null, null],
  ] as const) {
    const { line, near, at } = opened();
    const pieces = ['one', 'two', 'three'].map((text) => Buffer.from(text));
    const chunk: Buffer[] = [];
    line.between = (from, bytes) => {
      if (from === 'client') chunk.push(bytes);
      return from === 'client' ? [] : [bytes];
    };
    for (const piece of pieces) {
      near.write(piece, () => {});
      line.flow();
    }
    near.end(); // a CLOSE
    flushAll();
    chunk.push(...line.client.out.splice(0).map(({ bytes }) => bytes));
    assert.is(chunk.length, 4);
    if (wrong !== null) (chunk[wrong] as Buffer)[9] = ((chunk[wrong] as Buffer)[9] as number) ^ 1;
    line.give(line.server, Buffer.concat(chunk));
    line.flow();
    assert.is(at.far.bytes.toString(), wrong === null ? 'onetwothree' : 'one');
    assert.is(at.far.chunks, 1);
    line.cut();
    assert.is(at.far.code, code);
  }
});

/** What a client sends, as one chunk for the server; with its CLOSE, if it ends. */
function together(
  { line, near }: ReturnType<typeof opened>,
  pieces: readonly (string | Buffer)[],
  ends = false,
): Buffer[] {
  const chunks: Buffer[] = [];
  line.between = (from, bytes) => {
    if (from === 'client') chunks.push(bytes);
    return from === 'client' ? [] : [bytes];
  };
  for (const piece of pieces) {
    near.write(Buffer.from(piece), () => {});
    line.flow();
  }
  if (ends) near.end();
  flushAll();
  chunks.push(...line.client.out.splice(0).map(({ bytes }) => bytes));
  return chunks;
}

test('a CLOSE, or a record that is wrong, waits behind data for whose handler that was enough', () => {
  for (const isWrong of [false, true]) {
    const made = opened();
    const { line, far, at } = made;
    const chunks = together(made, ['one', 'two'], true);
    const last = chunks.at(-1) as Buffer;
    if (isWrong) last[9] = (last[9] as number) ^ 1;
    at.far.onData = () => far.pause();
    line.give(line.server, Buffer.concat(chunks));
    assert.is(at.far.bytes.toString(), 'onetwo');
    const said = line.server.out.length;
    assert.equal([line.server.isEnded, line.server.isReset], [false, false]);
    far.write(Buffer.from('an answer'), () => {});
    flushAll();
    assert.is(line.server.out.length, said + 1, 'and it can still be answered');
    far.resume();
    line.flow();
    line.cut();
    assert.is(at.far.code, isWrong ? 'bad-record' : null); // and not truncated
  }
});

test('calls from inside data of several records: a cut, an end, an answer, and longer records', () => {
  for (const [call, given] of [
    ['reset', 'onetwo'],
    ['end', 'onetwo'],
  ] as const) {
    const made = opened();
    const { line, far, at } = made;
    const chunks = together(made, ['one', 'two', 'three']);
    at.far.onData = () => far[call]();
    line.give(line.server, Buffer.concat(chunks.slice(0, 2)));
    line.give(line.server, chunks[2] as Buffer);
    assert.is(at.far.bytes.toString(), given, call);
    line.cut();
  }
  const answered = opened();
  answered.at.far.onData = () => answered.far.write(Buffer.from('yes'), () => {});
  answered.line.give(answered.line.server, Buffer.concat(together(answered, ['one', 'two'])));
  answered.line.flow();
  assert.is(answered.at.near.bytes.toString(), 'yes');
  const short = channels();
  short.far.open(short.at.far);
  short.near.open(short.at.near);
  short.line.flow();
  short.near.keep();
  const long = Buffer.alloc(9_000, 7); // longer than what is taken before it is to last
  short.at.far.onData = () => short.far.keep();
  short.line.give(short.line.server, Buffer.concat(together(short, ['hello', long])));
  assert.is(short.at.far.bytes.length, 5 + 9_000);
});

test('a record that came in two chunks, among whole ones: every cut, nothing is lost or moved', () => {
  const texts = ['a', 'bc', '', 'd'.repeat(300), 'e'];
  const whole = texts.join('');
  for (let cut = 1; ; cut += 7) {
    const { line, near, at } = opened();
    const chunk: Buffer[] = [];
    line.between = (from, bytes) => {
      if (from === 'client') chunk.push(bytes);
      return [];
    };
    for (const text of texts.filter((each) => each !== '')) {
      near.write(Buffer.from(text), () => {});
      line.flow();
    }
    const bytes = Buffer.concat(chunk);
    if (cut >= bytes.length) break;
    line.give(line.server, bytes.subarray(0, cut));
    line.give(line.server, bytes.subarray(cut));
    assert.is(at.far.bytes.toString(), whole, `cut at ${cut}`);
  }
});

test.run();
