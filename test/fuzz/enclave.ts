// What an Enclave node reads: packets, its address book, and all that comes behind an accepted connection.
// The node is a real one, without a socket.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Book } from '../../src/protocols/enclave/book.ts';
import { BookFile } from '../../src/protocols/enclave/file.ts';
import { Node } from '../../src/protocols/enclave/node.ts';
import { decodePacket } from '../../src/protocols/enclave/wire.ts';
import { decodeJson } from '../../src/wire/json.ts';
import { FakeChannel } from '../channel.ts';
import { framed, GREETING, lengthened } from '../protocols/enclave/raw.ts';

const KEY = 'ab'.repeat(32);
const directory = mkdtempSync(join(tmpdir(), 'flexim-fuzz-'));
const path = join(directory, 'book');
writeFileSync(path, `plain 192.0.2.1:0\nkeyed 192.0.2.2:0 ${KEY}\n`, { mode: 0o600 });
const node = new Node({
  ...{ host: '', port: 0, book: new BookFile(path), alias: 'fuzzed', key: null },
  ...{ strangers: 'refuse', limits: { unknown: 1e9, unknownPerAddress: 1e9, connections: 1e9 } },
});
node.start();
rmSync(directory, { recursive: true }); // it has been read

const bytes = (...values: unknown[]) => values.map((value) => new Uint8Array(framed(value)));
const plain = [GREETING, { message: 'hello' }, { status: 2, 'status-message': 'x' }, { status: 0 }];
const keyed = [
  { ...GREETING, 'flexim-key': KEY, 'fe1-spr': 'AAAA' },
  { fe1: 'RkUxAQ', timestamp: 2 },
  { alias: 'b', mood: [1, { a: null }] },
];

export const packetSeeds = bytes(...plain, ...keyed);
export const jsonSeeds = [{ a: [1.5, null, true, 'x\\"[', { b: {} }] }, 'text', [[[[]]]]].map(
  (value) => new Uint8Array(Buffer.from(JSON.stringify(value))),
);
export const bookSeeds = [
  `bob h:1 ${KEY} plain\n# x\n\ncarol [::1]:0 blocked\n`,
  'a b c\nbob h\nBOB h\n',
].map((text) => new Uint8Array(Buffer.from(text)));
export const streamSeeds = [plain, keyed, plain.slice(1)].map(
  (values) => new Uint8Array(Buffer.concat([Buffer.of(values.length), ...values.map(framed)])),
);

export function packet(input: Uint8Array): void {
  decodePacket(lengthened(Buffer.from(input.subarray(4))));
}

export function json(input: Uint8Array): void {
  decodeJson(Buffer.from(input));
}

export function book(input: Uint8Array): void {
  const text = Buffer.from(input).toString('utf8');
  const read = Book.parse(text);
  const whole = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  if (read.format() !== whole) throw new Error('a line was lost or made up');
}

/** The first byte says who it is: with a key or without; the second how it is cut. */
export async function stream(input: Uint8Array): Promise<void> {
  const channel = new FakeChannel();
  channel.remote = (input[0] ?? 0) % 2 === 0 ? '192.0.2.2' : '192.0.2.1';
  node.accept(channel);
  const rest = input.subarray(1);
  const size = 1 + ((input[1] ?? 0) & 63);
  for (let at = 0; at < rest.length && !channel.calls.includes('reset'); at += size)
    channel.feed(rest.subarray(at, at + size));
  if (!channel.calls.includes('reset')) channel.handler.closed(null);
  while (node.inbound.length > 0) await node.inbound.next();
}
