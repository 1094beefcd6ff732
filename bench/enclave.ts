// Plain packets between two Enclave nodes in processes of their own: from one frontend's queue to the other's.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median, type Report } from './measure.ts';
import type { Task } from './neighbour.ts';
import { Child } from './process.ts';

const PACKETS = 200_000;
const ROUNDS = 5;
const TEXTS = [32, 1_024] as const;
const WANTED = 20_000;

export async function enclave(): Promise<Report[]> {
  const directory = mkdtempSync(join(tmpdir(), 'flexim-bench-'));
  const start = (task: Task) =>
    new Child(['--import', 'tsx', join(import.meta.dirname, 'neighbour.ts'), JSON.stringify(task)]);
  const lines: string[] = [];
  const data: { bytes: number; rates: number[] }[] = [];
  try {
    for (const bytes of TEXTS) {
      const taker = start({ task: 'take', book: join(directory, `take${bytes}`) });
      const port = Number(await taker.line());
      const book = join(directory, `send${bytes}`);
      const sender = start({ task: 'send', book, port, bytes, packets: PACKETS, rounds: ROUNDS });
      const rates = JSON.parse(await sender.line()) as number[];
      await Promise.all([taker.stop(), sender.stop()]);
      data.push({ bytes, rates });
      lines.push(
        `  ${`${bytes}`.padStart(5)} bytes  ${shown(median(rates))} (${shown(Math.min(...rates))}–${shown(Math.max(...rates))})`,
      );
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  const title = 'enclave: plain packets between two nodes';
  const text = [`${title}, packets/s: median (min–max) of ${ROUNDS} × ${PACKETS}`, ...lines].join(
    '\n',
  );
  const bounds = data.map(({ bytes, rates }) => ({
    what: `enclave: at least ${WANTED} packets/s with ${bytes} bytes of text`,
    kept: median(rates) >= WANTED,
  }));
  return [{ title, text, data, bounds }];
}

function shown(rate: number): string {
  return Math.round(rate).toLocaleString('en');
}
