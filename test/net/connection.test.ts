// Connection over a Channel that the test holds in its hands: flushing, holding, pushback, the end,
// and the account of bytes.

import { mock } from 'node:test';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FleximError } from '../../src/lib/errors.ts';
import { Connection, type ConnectionHandler } from '../../src/net/connection.ts';
import { exactly, terminated } from '../../src/wire/frames.ts';
import { FakeChannel, turn } from '../channel.ts';

const LINGER_MS = 5_000;

function open(
  onFrame: (text: string, connection: Connection) => void = () => {},
  replyBytes = 100,
) {
  const channel = new FakeChannel();
  const seen: string[] = [];
  const account = { sum: 0, least: 0, most: 0 };
  const handler: ConnectionHandler = {
    frame: (bytes, start, end) => {
      const text = bytes.toString('latin1', start, end - 1);
      seen.push(text);
      onFrame(text, connection);
    },
    failed: (error) => seen.push(`failed: ${error.message}`),
    closed: (error) => seen.push(`closed: ${error?.message ?? 'fine'}`),
  };
  const connection: Connection = new Connection(channel, terminated(0x0a, 100), handler, {
    replyBytes,
    account: (change) => {
      account.sum += change;
      account.least = Math.min(account.least, account.sum);
      account.most = Math.max(account.most, account.sum);
    },
  });
  return { channel, connection, seen, account };
}
const lines = (...texts: string[]) => Buffer.from(texts.map((text) => `${text}\n`).join(''));

// ---- output ----

const output = suite('connection: output');

output('what is sent in a turn is written once, at its end, and copied', async () => {
  const { channel, connection, account } = open();
  const bytes = Buffer.from('..one..');
  connection.send(bytes, 2, 5);
  bytes.fill(0);
  connection.send(Buffer.from('two'));
  assert.is(channel.writes.length, 0);
  assert.is(connection.waiting, 6);
  await turn();
  assert.is(channel.writes.length, 1);
  assert.is(connection.waiting, 6, 'handed over is not yet written');
  assert.is(account.sum, 6);
  assert.is(channel.take()?.toString(), 'onetwo');
  assert.equal([connection.waiting, account.sum], [0, 0]);
});

output('room that was reserved goes out behind what was gathered, and counts', async () => {
  const { channel, connection, account } = open();
  connection.send(Buffer.from('one'));
  for (const length of [3, 5_000]) {
    const { bytes, at } = connection.reserve(length);
    bytes.fill(length === 3 ? 'x' : 'y', at, at + length);
  }
  assert.equal([connection.waiting, account.sum], [5_006, 5_006]);
  connection.flush();
  assert.is(channel.take()?.toString(), `onexxx${'y'.repeat(5_000)}`);
  assert.equal([connection.waiting, account.sum], [0, 0]);
  await turn();
  connection.end();
  assert.throws(() => connection.reserve(1), TypeError);
  channel.handler.closed(null);
});

output('while a write is under way the rest gathers, and goes out as one', async () => {
  const { channel, connection } = open();
  connection.send(Buffer.from('a'));
  await turn();
  for (const text of ['b', 'c']) {
    connection.send(Buffer.from(text));
    await turn();
  }
  assert.is(channel.writes.length, 1);
  assert.is(channel.take()?.toString(), 'a');
  assert.is(channel.take()?.toString(), 'bc');
  assert.is(channel.take(), null);
});

output('pieces of every size come out whole', async () => {
  const { channel, connection, account } = open();
  const parts = [0, 1, 511, 512, 513, 70_000, 3].map((size, i) => Buffer.alloc(size, i + 1));
  for (const part of parts) connection.send(part);
  await turn();
  const taken: Buffer[] = [];
  for (let piece = channel.take(); piece; piece = channel.take()) taken.push(piece);
  assert.ok(Buffer.concat(taken).equals(Buffer.concat(parts)));
  assert.is(account.sum, 0);
});

output('a burst of 48 KiB goes out while the turn goes on, less waits for its end', async () => {
  const { channel, connection } = open();
  connection.send(Buffer.alloc(49_151));
  assert.is(channel.writes.length, 0);
  connection.send(Buffer.alloc(1));
  assert.is(channel.take()?.length, 49_152);
  connection.send(Buffer.alloc(10));
  await turn();
  assert.is(channel.take()?.length, 10);
  assert.is(channel.take(), null);
});

output.run();

// ---- hold and release ----

const holding = suite('connection: hold');

holding('no frame comes until as many releases; then all do, in order', () => {
  const { channel, connection, seen } = open();
  connection.hold();
  connection.hold();
  channel.feed(lines('a', 'b').subarray(0, 3));
  channel.feed(lines('a', 'b').subarray(3), lines('c'));
  assert.ok(channel.isPaused);
  connection.release();
  assert.equal(seen, []);
  assert.ok(channel.isPaused);
  connection.release();
  assert.equal(seen, ['a', 'b', 'c']);
  assert.not.ok(channel.isPaused);
  assert.equal(channel.calls, ['pause', 'resume']);
});

holding('held inside a frame, the next one waits; held again on release, too', () => {
  const { channel, connection, seen } = open((text, each) => {
    if (text !== 'free') each.hold();
  });
  channel.feed(lines('a', 'b', 'free', 'c', 'd'));
  assert.equal(seen, ['a']);
  connection.release();
  assert.equal(seen, ['a', 'b']);
  assert.ok(channel.isPaused, 'a release that ends held does not resume');
  connection.release();
  assert.equal(seen, ['a', 'b', 'free', 'c']);
  channel.feed(lines('e'));
  connection.release();
  connection.release();
  assert.equal(seen, ['a', 'b', 'free', 'c', 'd', 'e']);
});

holding('frames are cut anew from the next one on', () => {
  const { channel, seen } = open((text, each) => {
    if (text === 'by three') each.cutBy(exactly(3));
  });
  channel.feed(lines('x', 'by three'), Buffer.from('abcdefg'));
  assert.equal(seen, ['x', 'by three', 'ab', 'de']);
});

holding('what a frame or a delimiter throws goes to failed', () => {
  const { channel, connection, seen } = open((text) => {
    if (text === 'bad') throw new FleximError('malformed', 'no good');
  });
  channel.feed(lines('a', 'bad'));
  assert.equal(seen, ['a', 'bad', 'failed: no good']);
  const other = open();
  other.channel.feed(Buffer.alloc(102, 0x78));
  assert.match(other.seen[0] ?? '', /^failed: a frame of/);
  const late = open((text) => {
    if (text === 'bad') throw new Error('on release');
  });
  late.connection.hold();
  late.channel.feed(lines('bad'));
  late.connection.release();
  assert.equal(late.seen, ['bad', 'failed: on release']);
  assert.is(connection.waiting, 0);
});

holding.run();

// ---- answers ----

const pushback = suite('connection: answers push back');

const echo = (text: string, each: Connection) => each.reply(Buffer.from(text));

pushback('who does not read his answers is not read from, and is again when he has', async () => {
  const { channel, seen, account } = open(echo, 100);
  const line = 'x'.repeat(30);
  channel.feed(lines(line, line, line));
  assert.not.ok(channel.isPaused);
  await turn();
  channel.feed(lines(line, line, line, 'last')); // the 4th passes the limit
  assert.ok(channel.isPaused);
  assert.is(seen.length, 4);
  channel.feed(lines('after')); // what the channel had read already
  await turn();
  assert.is(channel.take()?.length, 90);
  assert.ok(channel.isPaused, 'until all of it is written');
  assert.is(channel.take()?.length, 30);
  assert.not.ok(channel.isPaused);
  assert.equal(seen.slice(4), [line, line, 'last', 'after']);
  await turn();
  assert.is(channel.take()?.length, 69);
  assert.ok(account.most <= 130);
  assert.is(account.sum, 0);
});

pushback('answers that are read at once never stop it; Messages to him do not count', async () => {
  const { channel, connection } = open(echo, 100);
  for (let i = 0; i < 50; i++) {
    channel.feed(lines('x'.repeat(40)));
    connection.send(Buffer.alloc(500));
    await turn();
    channel.take();
  }
  assert.not.ok(channel.calls.includes('pause'));
});

pushback('an answer that passes the limit again while it is resumed stops it again', async () => {
  const { channel, seen } = open(echo, 10);
  channel.feed(lines(...Array.from({ length: 5 }, (_, i) => `${i}`.repeat(20))));
  for (let n = 1; n <= 5; n++) {
    assert.is(seen.length, n);
    await turn();
    assert.is(channel.take()?.length, 20);
  }
  assert.not.ok(channel.isPaused);
});

pushback.run();

// ---- held, and yet read ----

const ahead = suite('connection: held within bounds');

ahead('the other side is seen to go, and what came is kept', () => {
  const { channel, connection, seen } = open();
  connection.holdWithin(10);
  channel.feed(lines('one', 'two'));
  assert.not.ok(channel.isPaused);
  connection.release();
  assert.equal(seen, ['one', 'two']);
  connection.holdWithin(10);
  channel.handler.closed(null);
  assert.equal(seen, ['one', 'two', 'closed: fine']);
});

ahead('more than the bound is not read, nor what comes when it is held otherwise, too', () => {
  for (const more of [true, false]) {
    const { channel, connection, seen } = open();
    connection.holdWithin(10);
    channel.feed(lines('12345'));
    if (more) channel.feed(lines('12345'));
    else connection.hold();
    assert.ok(channel.isPaused);
    connection.release();
    if (!more) connection.release();
    assert.not.ok(channel.isPaused);
    assert.is(seen.length, more ? 2 : 1);
  }
});

ahead.run();

// ---- given away ----

const given = suite('connection: given away');

function give(connection: Connection) {
  const taken: [unknown, string][] = [];
  connection.give((channel, early) => taken.push([channel, early.toString('latin1')]));
  return taken;
}

given('at once, with what was read and not cut, and no word of it later', async () => {
  let taken: [unknown, string][] = [];
  const { channel, connection, seen } = open((text) => {
    if (text === 'last') taken = give(connection);
  });
  channel.feed(lines('first', 'last', 'not cut').subarray(0, -3));
  assert.equal(taken, []);
  await turn();
  assert.equal(taken, [[channel, 'not c']]);
  assert.ok(channel.isPaused);
  assert.equal(seen, ['first', 'last']);
  for (const late of [() => connection.end(), () => connection.reset(), () => connection.release()])
    late();
  connection.send(Buffer.from('late'));
  channel.handler.closed(null);
  await turn();
  assert.equal(seen, ['first', 'last']);
  assert.equal(channel.calls, ['pause']);
});

given('not before all is written, and not when it ends in the meantime', async () => {
  for (const ends of [false, true]) {
    const { channel, connection, account } = open();
    connection.reply(Buffer.from('a'));
    await turn();
    connection.reply(Buffer.from('b'));
    const taken = give(connection);
    await turn();
    assert.is(channel.take()?.toString(), 'a');
    await turn();
    assert.equal(taken, []);
    if (ends) connection.end();
    assert.is(channel.take()?.toString(), 'b');
    await turn();
    assert.is(taken.length, ends ? 0 : 1);
    assert.is(account.sum, 0);
    channel.handler.closed(null);
  }
});

given.run();

// ---- the end ----

const ending = suite('connection: the end');

ending('end writes what waits, then the end; frames that still come are ignored', async () => {
  const { channel, connection, seen, account } = open();
  connection.send(Buffer.from('a'));
  await turn();
  connection.send(Buffer.from('b'));
  connection.end();
  connection.send(Buffer.from('too late'));
  channel.feed(lines('ignored'));
  assert.equal(channel.calls, ['write']);
  assert.is(channel.take()?.toString(), 'a');
  assert.equal(channel.calls, ['write', 'write', 'end']);
  assert.is(channel.take()?.toString(), 'b');
  connection.end();
  channel.handler.closed(null);
  channel.handler.closed(null);
  assert.equal(seen, ['closed: fine']);
  assert.is(account.sum, 0);
});

ending('end with nothing to write ends at once; in the turn of a send, behind it', async () => {
  const idle = open();
  idle.connection.end();
  assert.equal(idle.channel.calls, ['end']);
  idle.channel.handler.closed(null);
  const busy = open();
  busy.connection.send(Buffer.from('bye'));
  busy.connection.end();
  assert.equal(busy.channel.calls, []);
  await turn();
  assert.is(busy.channel.writes[0]?.bytes.toString(), 'bye');
  assert.equal(busy.channel.calls, ['write', 'end']);
  busy.channel.handler.closed(null);
});

ending(
  'who takes nothing after the end is cut after five seconds, and the account is even',
  async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const { channel, connection, seen, account } = open();
      connection.send(Buffer.alloc(1_000));
      await turn();
      connection.send(Buffer.alloc(1_000));
      connection.end();
      mock.timers.tick(LINGER_MS - 1);
      assert.equal(channel.calls, ['write']);
      mock.timers.tick(1);
      assert.equal(channel.calls, ['write', 'reset']);
      assert.equal([seen.at(-1), account.sum, connection.waiting], ['closed: fine', 0, 0]);
      channel.take(); // the write's callback comes late
      assert.is(account.sum, 0);

      const other = open();
      other.connection.end();
      mock.timers.tick(LINGER_MS);
      assert.equal(other.channel.calls, ['end', 'reset'], 'he did not end his side');
    } finally {
      mock.timers.reset();
    }
  },
);

ending('a channel that closes at any moment leaves the account at zero', async () => {
  for (let moment = 0; moment < 4; moment++) {
    const { channel, connection, seen, account } = open(echo, 10);
    const steps = [
      () => channel.feed(lines('x'.repeat(40), 'y')),
      turn,
      () => connection.send(Buffer.alloc(100)),
      () => channel.take(),
    ];
    for (const step of steps.slice(0, moment + 1)) await step();
    channel.handler.closed(new Error('gone'));
    connection.send(Buffer.from('nobody hears'));
    connection.reply(Buffer.alloc(50));
    connection.hold();
    connection.release();
    connection.end();
    connection.reset();
    await turn();
    channel.take();
    assert.equal([account.sum, connection.waiting, seen.at(-1)], [0, 0, 'closed: gone']);
    assert.ok(account.least >= 0);
  }
});

ending.run();
