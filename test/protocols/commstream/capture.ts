// What somebody on the way sees of a CommStream connection: a decoder for captures, written from
// docs/protocols/commstream.md §2 alone. It has no key, so of what is sealed it shows sizes and nothing else.
//   node --import tsx test/protocols/commstream/capture.ts FILE
// A line of FILE is what one side sent, in order: `> HEX` from the client, `< HEX` from the server.

import { readFileSync } from 'node:fs';

export interface Chunk {
  readonly from: 'client' | 'server';
  readonly bytes: Uint8Array;
}

const NAMES = ['?', 'REQ_ENCRYPT', 'ACK_ENCRYPT', 'CHG_ENCRYPT', 'INV_ENCRYPT', 'DATA', 'CLOSE'];
const SEALED = 7;

/** A line for each record, in the order in which they were whole. */
export function decodeCapture(chunks: readonly Chunk[]): string[] {
  const rest = { client: Buffer.alloc(0), server: Buffer.alloc(0) };
  const lines: string[] = [];
  for (const { from, bytes } of chunks) {
    let unread = Buffer.concat([rest[from], bytes]);
    while (unread.length >= 5 && unread.length >= 5 + unread.readUInt32BE(1)) {
      const end = 5 + unread.readUInt32BE(1);
      lines.push(`${from === 'client' ? '>' : '<'} ${shown(unread.subarray(0, end))}`);
      unread = unread.subarray(end);
    }
    rest[from] = unread;
  }
  for (const from of ['client', 'server'] as const)
    if (rest[from].length > 0) lines.push(`${from}: ${rest[from].length} bytes of no whole record`);
  return lines;
}

function shown(record: Buffer): string {
  const type = record[0] as number;
  const size = record.length - 5;
  if (type === SEALED) return `SEALED ${size}`;
  const name = NAMES[type] ?? `type ${type}`;
  if (type === 1) return `${name} ${size}, wants ${named(record, 8)}`;
  if ((type === 2 && size > 32) || type === 3) return `${name} ${size}, offers ${named(record, 5)}`;
  if (type === 5)
    return `${name} ${size}, NOT ENCRYPTED: ${JSON.stringify(record.toString('latin1', 5))}`;
  return `${name} ${size}`;
}

function named(record: Buffer, at: number): string {
  return JSON.stringify(record.toString('latin1', at + 1, at + 1 + (record[at] ?? 0)));
}

if (process.argv[1] === import.meta.filename) {
  const lines = readFileSync(process.argv[2] ?? '/dev/stdin', 'utf8').split('\n');
  const chunks = lines.filter(Boolean).map((line): Chunk => {
    const [, arrow, hex = ''] = /^([<>]) ([0-9a-f]*)$/.exec(line) ?? [];
    if (!arrow)
      throw new Error(`a line is \`> HEX\` or \`< HEX\`, and not ${JSON.stringify(line)}`);
    return { from: arrow === '>' ? 'client' : 'server', bytes: Buffer.from(hex, 'hex') };
  });
  for (const line of decodeCapture(chunks)) console.log(line);
}
