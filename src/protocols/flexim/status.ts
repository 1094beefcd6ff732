// The codes of Status datums and the first words of their payloads: docs/protocols/flexim.md §9. Codes
// 0 to 4 and -2 to -9 answer a command; 5, -1, -7 and everything from 10 on comes unasked.

import { wellFormed } from '../../lib/text.ts';
import { encodeFrame } from './wire.ts';

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

const MAX_PAYLOAD = 512; // characters; what it quotes is cut so far

/** A Status frame. The payload begins with what machines read, then words for people. */
export function statusFrame(status: StatusName, payload = ''): Buffer {
  const cut = payload.length > MAX_PAYLOAD ? payload.slice(0, MAX_PAYLOAD) : payload;
  return encodeFrame('Status', { status: STATUS[status], payload: wellFormed(cut) });
}

/** Whether a status answers a command, rather than telling of an event. */
export function answersCommand(code: number): boolean {
  return (code >= 0 && code <= 4) || (code <= -2 && code >= -9 && code !== STATUS.stopping);
}
