// The codes of Status datums and the first words of their payloads: docs/protocols/flexim.md §9. Codes
// 0 to 4 and -2 to -9 answer a command; 5, -1, -7 and everything from 10 on comes unasked.

import { wellFormed } from '../../lib/text.ts';
import type { Refusal } from '../../relay/mailbox.ts';
import { encodeFrame, FRAME_HEAD } from './wire.ts';

export const STATUS = {
  fine: 0,
  replaced: 5,
  loginFailed: -1,
  malformed: -2,
  notFound: -3,
  loginFirst: -4,
  refused: -5,
  slowDown: -6,
  stopping: -7,
  queued: 20,
  queueSent: 22,
  unknownRecipient: -20,
  queueFull: -21,
  badFrame: -22,
  frameBeforeLogin: -24,
} as const;

export type StatusName = keyof typeof STATUS;

/** Why nothing more is kept, in words for people (§6.3). */
export const REFUSED: Readonly<Record<Refusal, string>> = {
  'mailbox-full': 'as much waits for him as may',
  'share-full': 'as much of yours waits for him as may',
  'store-full': "the relay's disk is full",
};

const MAX_TO = 256; // characters
const PLAIN = /^[ -~]*$/;
// {status: CODE, payload: a text of up to 255 bytes}
const EVENT = Buffer.from('\x06\0\0\x82\xa6status\0\xa7payload\xd9\0', 'latin1');
const EVENT_CODE = 11;
const MAX_PAYLOAD = 512; // characters; what it quotes is cut so far

/** A Status frame. The payload begins with what machines read, then words for people. */
export function statusFrame(status: StatusName, payload = ''): Buffer {
  const cut = payload.length > MAX_PAYLOAD ? payload.slice(0, MAX_PAYLOAD) : payload;
  return encodeFrame('Status', { status: STATUS[status], payload: wellFormed(cut) });
}

/** An event about the Message with number n, which was sent to `to`: §6.3. */
export function messageEvent(status: StatusName, to: string, n: number, words = ''): Buffer {
  const payload = `${to.slice(0, MAX_TO)} ${n}${words && ` ${words}`}`;
  // There may be one for each Message, and nearly all are alike: 32 to 255 plain characters.
  const length = payload.length;
  if (length < 32 || length > 255 || !PLAIN.test(payload)) return statusFrame(status, payload);
  const frame = Buffer.allocUnsafe(EVENT.length + length);
  frame.set(EVENT);
  frame.writeUInt16BE(EVENT.length - FRAME_HEAD + length, 1);
  frame.writeInt8(STATUS[status], EVENT_CODE);
  frame[EVENT.length - 1] = length;
  frame.write(payload, EVENT.length, 'latin1');
  return frame;
}

/** Whether a status answers a command, rather than telling of an event. */
export function answersCommand(code: number): boolean {
  return (code >= 0 && code <= 4) || (code <= -2 && code >= -9 && code !== STATUS.stopping);
}
