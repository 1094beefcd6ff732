// Looks at samples of what comes, byte by byte, and counts at the end: to every receiver exactly what
// was sent to him, and to every sender exactly the server's answers.

import { blockCount, deliveredBlock, target, type Users } from './blocks.ts';
import type { Cell } from './cells.ts';
import { fail, type Line } from './line.ts';
import { isPayload, makePayload } from './payload.ts';

const EVERY = 16; // pieces of memory that came
const MOST = 4_096; // bytes of one sample, in fan 1

/** How long a delivered frame is, and where in it the payload begins. */
export function layout({ wire, receivers }: Users, { bytes }: Cell) {
  const { name } = receivers[0] as Line;
  const payload = makePayload(bytes, 0xf0f1, 0xf2f3f4f5);
  const frame = wire.delivered(name, payload);
  return { length: frame.length, payloadAt: frame.indexOf(payload) };
}

/** A function that looks at what came, where `before` bytes had come; it fails when that is wrong. */
export type Look = (bytes: Buffer, length: number, before: number) => void;

export function sampler(users: Users, cell: Cell, nth: number): Look {
  const look = cell.spread ? anySender(users, cell, nth) : oneSender(users, cell, nth);
  let n = 0;
  return (bytes, length, before) => {
    if (n++ % EVERY === 0) look(bytes, length, before);
  };
}

/** From one sender everything comes in order: the stream is his block, over and over. */
function oneSender(users: Users, cell: Cell, nth: number): Look {
  const { bytes: wanted } = deliveredBlock(users, cell, nth);
  const once = wanted.length / 2;
  return (bytes, length, before) => {
    const at = before % once;
    const size = Math.min(length, once, MOST);
    if (bytes.compare(wanted, at, at + size, 0, size) !== 0)
      fail('other bytes came than were sent');
  };
}

/** The first whole frame may be from anybody; it says itself what it must be. */
function anySender(users: Users, cell: Cell, nth: number): Look {
  const { length: size, payloadAt } = layout(users, cell);
  const { name } = users.receivers[nth] as Line;
  return (bytes, length, before) => {
    const start = (size - (before % size)) % size;
    if (start + size > length) return;
    const frame = bytes.subarray(start, start + size);
    const [sender, n] = [frame.readUInt16BE(payloadAt), frame.readUInt32BE(payloadAt + 2)];
    const head = users.wire.delivered(name, makePayload(cell.bytes, sender, n));
    const isHead = frame.compare(head, 0, payloadAt, 0, payloadAt) === 0;
    if (!isHead || !isPayload(frame, payloadAt, cell.bytes) || target(cell, sender, n) !== nth)
      fail('other bytes came than were sent');
  };
}

/** At the end of a run: `sent` messages of each sender, from the begin of his block on. */
export function settle(users: Users, cell: Cell, sent: readonly number[]): void {
  const { length } = layout(users, cell);
  const wanted = new Array<number>(cell.pairs).fill(0);
  for (const [sender, count] of sent.entries()) {
    const rounds = Math.floor(count / blockCount(cell));
    for (let n = 0; n < blockCount(cell); n++) {
      const more = n < count % blockCount(cell) ? 1 : 0;
      wanted[target(cell, sender, n)] = (wanted[target(cell, sender, n)] ?? 0) + rounds + more;
    }
  }
  for (const [nth, count] of wanted.entries()) {
    const { bytes } = users.receivers[nth] as Line;
    if (bytes !== count * length) fail(`${bytes} bytes came, want ${count} times ${length}`);
  }
  for (const [nth, count] of sent.entries()) {
    const { bytes } = users.senders[nth] as Line;
    const { reply } = users.wire;
    if (reply !== null && bytes !== count * reply.length)
      fail(`a sender was answered ${bytes} bytes`);
  }
}
