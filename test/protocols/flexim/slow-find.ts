// The slow, obvious twin of findTo: one step for each sentence of docs/protocols/flexim.md §6.1.

import { slowMeasure } from '../../wire/slow-msgpack.ts';

/** The bytes of `to` as hex, or null when the Message is malformed. */
export function slowFindTo(body: Uint8Array): string | null {
  const bytes = Buffer.from(body);
  const container = containerOf(bytes);
  if (!container) return null;
  if (container.kind === 'array') return container.count > 0 ? textAt(bytes, container.at) : null;
  let at = container.at;
  for (let i = 0; i < container.count; i++) {
    const value = slowMeasure(bytes, at, false);
    if (value === null) return null;
    if (isStr(bytes[at]) && textAt(bytes, at) === '746f') return textAt(bytes, value);
    const next = slowMeasure(bytes, value, false);
    if (next === null) return null;
    at = next;
  }
  return null;
}

function containerOf(bytes: Buffer): { kind: 'map' | 'array'; count: number; at: number } | null {
  const head = bytes[0];
  if (head === undefined) return null;
  if (head >= 0x80 && head <= 0x8f) return { kind: 'map', count: head - 0x80, at: 1 };
  if (head >= 0x90 && head <= 0x9f) return { kind: 'array', count: head - 0x90, at: 1 };
  const width = head === 0xdc || head === 0xde ? 2 : head === 0xdd || head === 0xdf ? 4 : 0;
  if (width === 0 || bytes.length < 1 + width) return null;
  const count = bytes.readUIntBE(1, width);
  return { kind: head >= 0xde ? 'map' : 'array', count, at: 1 + width };
}

const WIDTHS: Readonly<Record<number, number>> = {
  217: 1,
  218: 2,
  219: 4,
  196: 1,
  197: 2,
  198: 4,
};

function isStr(head: number | undefined): boolean {
  return head !== undefined && ((head >= 0xa0 && head <= 0xbf) || (head >= 0xd9 && head <= 0xdb));
}

function textAt(bytes: Buffer, at: number): string | null {
  const head = bytes[at];
  if (head === undefined) return null;
  const width = WIDTHS[head];
  if (width === undefined && !isStr(head)) return null;
  if (at + 1 + (width ?? 0) > bytes.length) return null;
  const length = width === undefined ? head - 0xa0 : bytes.readUIntBE(at + 1, width);
  const start = at + 1 + (width ?? 0);
  return start + length <= bytes.length ? bytes.toString('hex', start, start + length) : null;
}
