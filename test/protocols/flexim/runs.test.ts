// Runs of Messages against findTo, frame by frame: what `plainTo` says is what findTo says, and a run ends
// where another recipient, type or rest begins.

import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MOST_IN_RUN, plainAck, plainTo, Run } from '../../../src/protocols/flexim/runs.ts';
import { FRAME_HEAD, findTo, found } from '../../../src/protocols/flexim/wire.ts';
import { count } from '../../count.ts';
import { command, frame } from '../../peer.ts';

const test = suite('flexim runs');
const ALICE = 'ab'.repeat(32);
const BOB = `${'ab'.repeat(31)}ac`; // differs in the last digit

const viewOf = (bytes: Buffer) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const message = (to: unknown, msg = '', rest: object = {}) =>
  frame(3, encode({ to, from: '', ...rest, msg }));

/** The recipient of the frame that begins at `start`, as findTo has it. */
function slowTo(bytes: Buffer, start: number): string | null {
  try {
    findTo(bytes, start + FRAME_HEAD, start + FRAME_HEAD + bytes.readUInt16BE(start + 1));
    return bytes.toString('latin1', found.start, found.end);
  } catch {
    return null;
  }
}

const frames = fc.oneof(
  fc.constantFrom(ALICE, ALICE, BOB).map((to) => message(to)),
  fc
    .record({ to: fc.constantFrom(ALICE, BOB), msg: fc.string({ maxLength: 40 }) })
    .map(({ to, msg }) => message(to, msg)),
  fc.constantFrom('alice', `${ALICE}/live`, ALICE.slice(1), 7, null).map((to) => message(to, 'x')),
  fc.constant(frame(2, encode({ cmd: 'ACK', payload: ['1'] }))),
  fc.constant(frame(3, encode({ from: '', to: ALICE, msg: 'to is not the first key' }))),
  fc.constant(frame(3, encode([ALICE, '', 'an array']))),
  fc.uint8Array({ maxLength: 90 }).map((body) => frame(3, body)),
);

test('finds what findTo finds, and ends where that changes', () => {
  let runs = 0;
  const run = new Run();
  fc.assert(
    fc.property(fc.array(frames, { maxLength: 30, size: 'max' }), fc.nat(20), (all, cut) => {
      const bytes = Buffer.concat(all);
      const end = Math.max(0, bytes.length - cut); // the last one may not be whole
      const view = viewOf(bytes);
      for (let at = 0; at + FRAME_HEAD <= end; ) {
        const stop = at + FRAME_HEAD + bytes.readUInt16BE(at + 1);
        const to = plainTo(view, at, end);
        if (to === 0) {
          const wanted = stop <= end && bytes[at] === 3 && slowTo(bytes, at) === ALICE;
          const isCommon = wanted && bytes[at + 4] === 0xa2 && bytes[at + 7] === 0xd9;
          assert.not(isCommon && bytes[at + 3] !== 0xde, 'a common one is seen');
          at = stop;
          continue;
        }
        assert.ok(stop <= end && bytes[at] === 3);
        const name = slowTo(bytes, at);
        assert.is(bytes.toString('latin1', to, to + 64), name);
        run.find(view, at, end);
        assert.is(run.start, at);
        assert.ok(run.end > at && run.end <= end);
        for (const length of run.each.subarray(0, run.count)) {
          assert.is(bytes[at], 3);
          assert.is(slowTo(bytes, at), name);
          assert.is(length, FRAME_HEAD + bytes.readUInt16BE(at + 1));
          at += length;
        }
        assert.is(at, run.end);
        runs += run.count > 1 ? 1 : 0;
      }
    }),
    { seed: 20_261_128, numRuns: count(300, 3_000) },
  );
  assert.ok(runs > 50, `${runs} runs of several`);
});

test('takes all of one recipient, up to a bound', () => {
  const one = message(ALICE, 'x');
  const bytes = Buffer.concat(new Array(MOST_IN_RUN + 10).fill(one));
  const run = new Run();
  run.find(viewOf(bytes), 0, bytes.length);
  assert.equal([run.count, run.end], [MOST_IN_RUN, MOST_IN_RUN * one.length]);
  run.find(viewOf(bytes), one.length * MOST_IN_RUN, bytes.length - 1);
  assert.is(run.count, 9, 'the last one is not whole');
});

test('a frame that is another in any byte up to the end of `to` ends the run', () => {
  const one = message(ALICE, 'x');
  const run = new Run();
  for (let at = 0; at < 73; at++) {
    if (at === 1 || at === 2) continue; // the length
    const other = Buffer.from(one);
    other[at] = (other[at] as number) ^ 1;
    const bytes = Buffer.concat([one, other, one]);
    run.find(viewOf(bytes), 0, bytes.length);
    assert.is(run.count, 1, `byte ${at}`);
  }
});

test('an acknowledgement is read as it is decoded, and none that is written otherwise', () => {
  for (const text of ['0', '1', '7', '10', '4096', '123456789012345']) {
    const bytes = Buffer.concat([Buffer.alloc(3), command('ACK', text), Buffer.alloc(3)]);
    const end = bytes.length - 3;
    assert.is(plainAck(viewOf(bytes), 3, end), Number(text));
    assert.is(plainAck(viewOf(bytes), 3, end - 1), -1, 'not whole');
    for (let at = 3; at < end - text.length; at++) {
      const other = Buffer.from(bytes);
      other[at] = (other[at] as number) ^ 0x40;
      assert.is(plainAck(viewOf(other), 3, end), -1, `byte ${at}`);
    }
  }
  for (const text of ['', '01', '00', '-1', '1.5', '1e3', ' 1', '1234567890123456', 'x'])
    assert.is(plainAck(viewOf(command('ACK', text)), 0, command('ACK', text).length), -1, text);
  for (const other of [command('ACK'), command('ACK', '1', '2'), command('ACKS', '1')])
    assert.is(plainAck(viewOf(other), 0, other.length), -1);
});

test.run();
