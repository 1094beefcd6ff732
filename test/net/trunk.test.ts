// Many channels over one: both ends, with a wire between them that the test holds in its hands, and sockets
// that it plays. Bytes in every cut, what comes too early or too late, a trunk that is full, and its end.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Branches } from '../../src/net/branches.ts';
import { Trunk } from '../../src/net/trunk.ts';
import { FakeChannel, turn } from '../channel.ts';

const test = suite('trunk');

const PIECE = 64 * 1024;
const FULL = 512 * 1024;

/** A relay's end and a worker's end. */
function world() {
  const [relaySide, workerSide] = [new FakeChannel(), new FakeChannel()];
  const arrived: number[] = [];
  const over: string[] = [];
  const trunk = new Trunk(relaySide, {
    arrived: (number) => arrived.push(number),
    failed: (error) => over.push(error.message),
    closed: () => over.push('relay'),
  });
  const branches = new Branches(workerSide, () => over.push('worker'));
  /** Everything that is written goes over, in pieces of so many bytes, until nothing is left. */
  const carry = async (cut = Number.POSITIVE_INFINITY) => {
    for (let isQuiet = false; !isQuiet; ) {
      isQuiet = true;
      await turn();
      for (const [from, to] of [
        [relaySide, workerSide],
        [workerSide, relaySide],
      ] as const)
        for (let bytes = from.take(); bytes; bytes = from.take()) {
          isQuiet = false;
          for (let at = 0; at < bytes.length; at += cut) to.feed(bytes.subarray(at, at + cut));
        }
    }
  };
  /** A socket that came, on both sides. */
  const visitor = () => {
    const { number, channel } = trunk.add('192.0.2.7');
    const socket = new FakeChannel();
    const heard = { bytes: Buffer.alloc(0), closed: null as string | null };
    channel.open({
      data: (chunk) => {
        heard.bytes = Buffer.concat([heard.bytes, chunk]);
      },
      closed: (error) => {
        heard.closed = error?.message ?? 'fine';
      },
    });
    return { number, channel, socket, heard };
  };
  const inside = () => {
    const one = visitor();
    branches.take(one.number, one.socket);
    return one;
  };
  return { trunk, branches, relaySide, workerSide, arrived, over, carry, visitor, inside };
}

/** Everything that was written to a socket: a write may come in parts. */
function all(socket: FakeChannel): Buffer {
  const parts: Buffer[] = [];
  for (let bytes = socket.take(); bytes; bytes = socket.take()) parts.push(bytes);
  return Buffer.concat(parts);
}

const pattern = (length: number, seed = 0) =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) + seed) & 0xff));

for (const cut of [1, 2, 3, 8, 9, 10, 11, 64, 1_000, Number.POSITIVE_INFINITY])
  test(`what is said on one side happens on the other, in pieces of ${cut}`, async () => {
    const { carry, inside, arrived, branches } = world();
    const [alice, bob] = [inside(), inside()];
    alice.channel.keep();
    await carry(cut);
    assert.equal(arrived, [alice.number, bob.number]);
    assert.equal(alice.socket.calls, ['keep']);
    alice.socket.feed(Buffer.from('from alice'));
    bob.socket.feed(pattern(300));
    alice.socket.feed(Buffer.from(', more'));
    const written: string[] = [];
    alice.channel.write(Buffer.from('to alice'), () => written.push('alice'));
    bob.channel.write(pattern(200, 3), () => written.push('bob'));
    await carry(cut);
    assert.is(alice.heard.bytes.toString(), 'from alice, more');
    assert.equal(bob.heard.bytes, pattern(300));
    assert.equal(written, [], 'the socket has not taken it');
    assert.equal(all(bob.socket), pattern(200, 3));
    await carry(cut);
    assert.equal(written, ['bob']);
    assert.is(all(alice.socket).toString(), 'to alice');
    await carry(cut);
    assert.equal(written, ['bob', 'alice']);
    alice.channel.end();
    await carry(cut);
    assert.is(alice.socket.calls.at(-1), 'end');
    alice.socket.handler.closed(null);
    bob.socket.handler.closed(new Error('ECONNRESET'));
    await carry(cut);
    assert.equal([alice.heard.closed, bob.heard.closed], ['fine', 'ECONNRESET']);
    assert.is(branches.size, 0);
  });

test('what a stream is bound to is there before its first byte', async () => {
  const { carry, visitor, branches } = world();
  const { number, channel, heard } = visitor();
  const stream = new FakeChannel();
  Object.assign(stream, { binding: pattern(32), serverKey: pattern(32, 1) });
  branches.take(number, stream);
  await carry();
  assert.equal([...channel.binding], [...new Uint8Array(32)]);
  assert.is(channel.serverKey, null);
  let binding = Buffer.alloc(0);
  channel.open({
    data: (chunk) => {
      binding = Buffer.from(channel.binding);
      heard.bytes = Buffer.concat([heard.bytes, chunk]);
    },
    closed: () => {},
  });
  stream.feed(Buffer.from('first'));
  stream.feed(Buffer.from('second'));
  await carry(7);
  assert.is(heard.bytes.toString(), 'firstsecond');
  assert.equal(binding, pattern(32));
  assert.equal(Buffer.from(channel.serverKey ?? []), pattern(32, 1));
});

test('large writes go in pieces, and are written once', async () => {
  const { carry, inside } = world();
  const { channel, socket, heard } = inside();
  let written = 0;
  const large = pattern(3 * PIECE + 5);
  channel.write(large, () => written++);
  channel.write(large.subarray(0, PIECE), () => written++);
  await carry(5_000);
  const pieces: Buffer[] = [];
  for (let left = large.length; left > 0; ) {
    assert.is(written, 0);
    const piece = socket.take() as Buffer;
    pieces.push(piece);
    left -= piece.length;
    await carry(5_000);
  }
  assert.is(written, 1);
  assert.equal(Buffer.concat(pieces), large);
  all(socket);
  await carry();
  assert.is(written, 2);
  socket.feed(large);
  await carry();
  assert.equal(heard.bytes, large);
});

test('what is said before the socket is there waits for it; to one that is gone it is nothing', async () => {
  const { carry, visitor, branches, arrived } = world();
  const [early, next] = [visitor(), visitor()];
  early.channel.write(Buffer.from('welcome'), () => {});
  early.channel.pause();
  await carry();
  assert.equal(arrived, []);
  branches.take(early.number, early.socket);
  assert.is(all(early.socket).toString(), 'welcome');
  assert.ok(early.socket.isPaused);
  branches.take(next.number, null);
  next.channel.write(Buffer.from('to nobody'), () => assert.unreachable('it is lost'));
  early.socket.handler.closed(null);
  early.channel.write(Buffer.from('too late'), () => assert.unreachable('it is closed'));
  assert.is(branches.awaited, 0);
  await carry();
  assert.is(early.heard.closed, 'fine');
  assert.match(next.heard.closed ?? '', /lost on the way/);
  early.channel.reset();
  next.channel.reset();
  await carry();
  assert.equal([branches.size, branches.awaited], [0, 0], 'nothing is kept for them');
});

test('pause and resume reach the socket; a full trunk holds who fills it until there is room', async () => {
  const { carry, inside, workerSide, relaySide } = world();
  const [busy, quiet] = [inside(), inside()];
  await carry();
  let sent = 0;
  while (!busy.socket.isPaused) {
    busy.socket.feed(pattern(PIECE));
    sent += PIECE;
    assert.ok(sent < FULL + 3 * PIECE, 'it is held');
  }
  assert.not.ok(quiet.socket.isPaused);
  quiet.channel.pause();
  await turn();
  for (let bytes = relaySide.take(); bytes; bytes = relaySide.take()) workerSide.feed(bytes);
  quiet.socket.feed(pattern(PIECE)); // what was on its way
  busy.channel.pause();
  busy.channel.resume();
  await turn();
  for (let bytes = relaySide.take(); bytes; bytes = relaySide.take()) workerSide.feed(bytes);
  assert.ok(busy.socket.isPaused, 'the relay lets it go on, and the trunk does not');
  await carry();
  assert.not.ok(busy.socket.isPaused);
  assert.ok(quiet.socket.isPaused, 'the relay has not let it go on');
  quiet.channel.resume();
  await carry();
  assert.not.ok(quiet.socket.isPaused);
  busy.channel.pause();
  busy.channel.end(); // reads on, so that the other side's end is seen
  await carry();
  for (; !busy.socket.isPaused; sent += PIECE) busy.socket.feed(pattern(PIECE));
  await carry();
  assert.not.ok(busy.socket.isPaused);
  assert.is(busy.heard.bytes.length, sent);
});

test('what is cut hears nothing more but its end, whatever is on its way', async () => {
  const { carry, inside } = world();
  const { channel, socket, heard } = inside();
  await carry();
  let times = 0;
  channel.open({
    data: () => {
      times++;
      channel.reset();
    },
    closed: () => {
      heard.closed = 'fine';
    },
  });
  channel.write(Buffer.from('lost'), () => assert.unreachable('it is cut'));
  for (let n = 0; n < 100; n++) socket.feed(Buffer.from('x'));
  await carry();
  channel.write(Buffer.from('later'), () => assert.unreachable('it is cut'));
  all(socket);
  await carry();
  assert.equal([times, heard.closed], [1, 'fine']);
});

test('a socket that never came: its channel is closed as soon as the next one is there', async () => {
  const { carry, visitor, branches } = world();
  const [lost, next] = [visitor(), visitor()];
  lost.channel.write(Buffer.from('for nobody'), () => assert.unreachable('it is lost'));
  await carry();
  branches.take(next.number, next.socket);
  await carry();
  assert.match(lost.heard.closed ?? '', /lost on the way/);
  assert.is(next.heard.closed, null);
  assert.is(branches.awaited, 0);
});

test('the trunk ends: so do all channels, and who comes to one later', async () => {
  const { trunk, carry, inside, over, relaySide, workerSide } = world();
  const one = inside();
  await carry();
  const late = trunk.add('192.0.2.8');
  one.channel.write(Buffer.from('never'), () => assert.unreachable('it is lost'));
  relaySide.handler.closed(null);
  assert.match(one.heard.closed ?? '', /worker .* is gone/);
  assert.equal(over, ['relay']);
  let why = '';
  late.channel.open({
    data: () => {},
    closed: (error) => {
      why = error?.message ?? '';
    },
  });
  await turn();
  assert.match(why, /worker .* is gone/);
  one.channel.reset();
  late.channel.write(Buffer.from('never'), () => assert.unreachable('it is lost'));
  workerSide.handler.closed(null);
  assert.equal(over, ['relay', 'worker']);
});

test('a worker that says what none says is not believed, and a relay neither', async () => {
  for (const bytes of [
    Buffer.from([9, 0, 0, 0, 1, 0, 0, 0, 0]),
    Buffer.from([2, 0, 0, 0, 1, 0, 1, 0, 1]), // longer than any piece
  ]) {
    const { inside, relaySide, carry, over } = world();
    const one = inside();
    await carry();
    relaySide.feed(bytes);
    assert.is(relaySide.calls.at(-1), 'reset');
    assert.ok(one.heard.closed);
    assert.is(over.length, 2);
    assert.match(over[0] ?? '', /does not say 9|too long/);
    assert.is(over[1], 'relay');
  }
  const { workerSide, inside, carry } = world();
  inside();
  await carry();
  assert.throws(
    () => workerSide.feed(Buffer.from([99, 0, 0, 0, 1, 0, 0, 0, 0])),
    /does not say 99/,
  );
});

test.run();
