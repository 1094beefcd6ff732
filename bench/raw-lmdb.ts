// What LMDB alone does for bench/mailbox.ts: rows of the same size under keys like ours, each in flight
// until it is on the disk, and no relay, no socket and no account around it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';

const { recipients, inFlight, messages, size } = JSON.parse(process.argv[2] ?? '') as {
  readonly recipients: number;
  readonly inFlight: number; // of all
  readonly messages: number;
  readonly size: number;
};
const directory = mkdtempSync(join(tmpdir(), 'flexim-bench-'));
const root = open({
  path: join(directory, 'raw.lmdb'),
  noSubdir: true,
  maxDbs: 4,
  overlappingSync: false,
});
const rows = root.openDB<Buffer, Buffer>({
  name: 'rows',
  encoding: 'binary',
  keyEncoding: 'binary',
});
const value = Buffer.alloc(size, 0x2e);

function keyOf(n: number): Buffer {
  const key = Buffer.alloc(40, n % recipients);
  key.writeUIntBE(n, 32, 6);
  return key;
}

let begun = 0;
let kept = 0;
const began = performance.now();
await new Promise<void>((resolve) => {
  const next = () => {
    if (begun === messages) return;
    rows.put(keyOf(begun++), value).then(() => {
      if (++kept === messages) resolve();
      else next();
    });
  };
  for (let i = 0; i < inFlight; i++) next();
});
const seconds = (performance.now() - began) / 1000;
await root.close();
rmSync(directory, { recursive: true });
process.stdout.write(`${JSON.stringify({ perSecond: messages / seconds })}\n`);
