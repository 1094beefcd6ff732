// What comes most, found without decoding. Messages as most clients write them: a map whose first key is `to`, as a fixstr,
// with a key of 64 hex digits. What looks otherwise is for `findTo`. docs/protocols/flexim.md §6.1.
//
//   03 | u16 length | 8n | a2 't' 'o' d9 | 40 | 64 digits | …

import { FRAME_HEAD, MESSAGE } from './wire.ts';

const COMMAND = 2;
const ZERO = 0x30;
const TO = 0xa2746fd9 | 0;
const DIGITS = 64;
const TO_AT = FRAME_HEAD + 6; // where the digits begin in a frame
export const LEAST_MESSAGE = TO_AT + DIGITS;
const PREFIX = LEAST_MESSAGE - FRAME_HEAD; // what decides about `to`: 70 bytes

/** How many of a run are passed at once. */
export const MOST_IN_RUN = 1_024;

/** Where the digits are in the whole Message that begins at `start`, or 0 when it is not such a one. */
export function plainTo(view: DataView, start: number, end: number): number {
  if (end - start < LEAST_MESSAGE || view.getUint8(start) !== MESSAGE) return 0;
  const stop = start + FRAME_HEAD + view.getUint16(start + 1);
  const head = view.getUint8(start + FRAME_HEAD);
  if (stop > end || stop < start + LEAST_MESSAGE || head <= 0x80 || head > 0x8f) return 0;
  if (view.getInt32(start + FRAME_HEAD + 1) !== TO || view.getUint8(start + TO_AT - 1) !== DIGITS)
    return 0;
  return start + TO_AT;
}

const NOTHING: Buffer = Buffer.alloc(0);
let viewed = NOTHING;
let view = viewOf(NOTHING);

/** A view of them: mostly the very same bytes come again, with other content (net/socket.ts). */
export function viewOn(bytes: Buffer): DataView {
  if (bytes !== viewed) {
    view = viewOf(bytes);
    viewed = bytes;
  }
  return view;
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}

/** Messages of one sender to one recipient, bytes[start..end), and the length of each. */
export class Run {
  readonly each = new Uint32Array(MOST_IN_RUN);
  count = 0;
  bytes = NOTHING;
  start = 0;
  end = 0;

  /** They are dealt with, and the memory is not ours. */
  clear(): void {
    this.bytes = NOTHING;
  }

  /** The first one, of which `plainTo` has told, and those behind it. */
  find(view: DataView, start: number, end: number): void {
    let at = start;
    let stop = start + FRAME_HEAD + view.getUint16(start + 1);
    let count = 0;
    do {
      this.each[count++] = stop - at;
      at = stop;
      if (count === MOST_IN_RUN || end - at < LEAST_MESSAGE) break;
      stop = at + FRAME_HEAD + view.getUint16(at + 1);
    } while (stop <= end && stop - at >= LEAST_MESSAGE && isLike(view, start, at));
    this.count = count;
    this.start = start;
    this.end = at;
  }
}

/** Type, map and `to` are those of the Message at `start`. Where recipients alternate, a few words tell. */
function isLike(view: DataView, start: number, at: number): boolean {
  if (view.getUint8(at) !== MESSAGE) return false;
  const [first, other] = [start + FRAME_HEAD, at + FRAME_HEAD];
  if (view.getInt32(first) !== view.getInt32(other)) return false;
  for (let i = 4; i < PREFIX - 4; i += 4)
    if (view.getInt32(first + i) !== view.getInt32(other + i)) return false;
  const last = PREFIX - 4; // it overlaps the one before
  return view.getInt32(first + last) === view.getInt32(other + last);
}

// An acknowledgement as our client writes it. One comes for each turn of a busy reader, so that decoding
// it costs more than the Messages it is for:
//
//   02 | u16 length | 82 a3 'cmd' a3 'ACK' a7 'payload' 91 | a0 + digits | digits
const ACK = Buffer.from('82a3636d64a341434ba77061796c6f616491', 'hex');
const ACK_HEAD = FRAME_HEAD + ACK.length + 1;
export const LEAST_ACK = ACK_HEAD + 1;
const MOST_DIGITS = 15;

/** What it acknowledges, or -1 when the frame at `start` is another, not whole, or written otherwise. */
export function plainAck(view: DataView, start: number, end: number): number {
  if (end - start < LEAST_ACK || view.getUint8(start) !== COMMAND) return -1;
  const digits = view.getUint16(start + 1) - ACK.length - 1;
  const from = start + ACK_HEAD;
  if (digits < 1 || digits > MOST_DIGITS || from + digits > end) return -1;
  if (view.getUint8(from - 1) !== 0xa0 + digits) return -1;
  for (let i = 0; i < ACK.length; i++)
    if (view.getUint8(start + FRAME_HEAD + i) !== ACK[i]) return -1;
  const isPadded = digits > 1 && view.getUint8(from) === ZERO;
  let n = 0;
  for (let at = from; at < from + digits; at++) {
    const digit = view.getUint8(at) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    n = n * 10 + digit;
  }
  return isPadded ? -1 : n;
}
