// What the rig sends: Messages whose content names its sender, its recipient and its place between the
// two, so that whoever gets one can tell whether it is intact and meant for him.

import { crc32 } from 'node:zlib';
import { decode } from '@msgpack/msgpack';
import { type Frame, message } from '../peer.ts';

export interface Address {
  readonly sender: number;
  readonly recipient: number;
  /** Counts from 1 for each sender and recipient. */
  readonly seq: number;
}

/** A whole frame to `to`, padded by so many bytes. */
export function writeLetter(to: string, { sender, recipient, seq }: Address, padding: number) {
  const text = `${sender} ${recipient} ${seq} ${'.'.repeat(padding)}`;
  return message(to, `${crc32(text).toString(16)} ${text}`);
}

/** Null when the content is not what somebody wrote. */
export function readLetter({ body }: Frame): Address | null {
  let text: unknown;
  try {
    text = (decode(body) as { msg?: unknown } | null)?.msg;
  } catch {
    return null;
  }
  if (typeof text !== 'string') return null;
  const [, sum, rest, sender, recipient, seq] =
    /^([0-9a-f]+) ((\d+) (\d+) (\d+) \.*)$/.exec(text) ?? [];
  if (rest === undefined || crc32(rest).toString(16) !== sum) return null;
  return { sender: Number(sender), recipient: Number(recipient), seq: Number(seq) };
}
