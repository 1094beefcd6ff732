// The frames of a run, made before it. A sender's block is written over and over, in pieces of any
// length: it lies in memory twice, so that a piece never has to be put together.

import { type Cell, inFlight } from './cells.ts';
import { fail, type Line } from './line.ts';
import { makePayload } from './payload.ts';
import type { Wire } from './wire.ts';

export interface Users {
  readonly wire: Wire;
  readonly senders: readonly Line[];
  readonly receivers: readonly Line[];
}

export interface Block {
  readonly bytes: Buffer; // twice
  readonly count: number; // frames in it, once
}

/** The receiver of a sender's frame number n. */
export const target = ({ spread, pairs }: Cell, sender: number, n: number): number =>
  spread ? (sender + n) % pairs : sender;

/** Frames in a block: at least those in flight, and as many for each receiver. */
export function blockCount(cell: Cell): number {
  const { pairs, spread } = cell;
  return spread ? Math.ceil(inFlight(cell) / pairs) * pairs : inFlight(cell);
}

export function sentBlock({ wire, receivers }: Users, cell: Cell, sender: number): Block {
  const count = blockCount(cell);
  const frames = Array.from({ length: count }, (_, n) => {
    const to = receivers[target(cell, sender, n)] as Line;
    return wire.sent(to.name, makePayload(cell.bytes, sender, n));
  });
  return twice(frames);
}

/** What a receiver gets when all comes from one sender. */
export function deliveredBlock({ wire, receivers }: Users, cell: Cell, nth: number): Block {
  const { name } = receivers[nth] as Line;
  const frames = Array.from({ length: blockCount(cell) }, (_, n) =>
    wire.delivered(name, makePayload(cell.bytes, nth, n)),
  );
  return twice(frames);
}

function twice(frames: readonly Buffer[]): Block {
  const length = frames[0]?.length ?? 0;
  if (frames.some((each) => each.length !== length)) fail('frames of several lengths');
  const once = Buffer.concat(frames);
  return { bytes: Buffer.concat([once, once]), count: frames.length };
}
