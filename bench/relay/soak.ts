// Full load for a while: nothing is lost, and the relay's memory does not grow. Ten minutes, unless
// --seconds says otherwise; --quick is 20 s.

import type { Report } from '../measure.ts';
import type { Options } from '../options.ts';
import { Place, UNLIMITED } from '../process.ts';
import type { Cell } from './cells.ts';
import { Loader } from './loader.ts';
import { LOAD_CORE, SERVER_CORE } from './match.ts';
import { canPin } from './servers.ts';

const SECONDS = 600;
const QUICK_SECONDS = 20;
const PARTS = 10; // memory is looked at after each
const CELLS: readonly Cell[] = [
  { bytes: 256, pairs: 16, spread: false },
  { bytes: 256, pairs: 64, spread: true },
  { bytes: 8_192, pairs: 16, spread: true },
];
const WIRES = ['flexim', 'fleximAcks'] as const;
const MOST = 1.1;
const SLACK_KIB = 8 * 1024;

export async function soak({ quick, seconds, progress }: Options): Promise<Report[]> {
  const total = seconds ?? (quick ? QUICK_SECONDS : SECONDS);
  const place = new Place();
  const loader = new Loader(canPin() ? LOAD_CORE : null);
  try {
    const core = canPin() ? SERVER_CORE : null;
    const { port, child } = await place.relay(UNLIMITED, { core });
    const rivals = WIRES.map((wire) => ({ name: wire, wire, port, pid: child.pid }));
    for (const rival of rivals) await loader.open(rival, 64);
    const ms = (total * 1_000) / PARTS / CELLS.length / WIRES.length;
    const memory: number[] = [];
    let messages = 0;
    for (let part = 0; part < PARTS; part++) {
      for (const cell of CELLS)
        for (const rival of rivals)
          messages += (await loader.run(rival, cell, { warmMs: 0, ms })).messages;
      memory.push(await child.memory());
      progress(`${part + 1}/${PARTS} ${messages} messages, ${memory.at(-1)} KiB`);
    }
    return [report(memory, messages, total)];
  } finally {
    await loader.end();
    await place.end();
  }
}

/** What is there after the first third is what it needs; caches and compilers are done then. */
function report(memory: readonly number[], messages: number, seconds: number): Report {
  const third = Math.ceil(PARTS / 3);
  const before = Math.max(...memory.slice(0, third));
  const after = memory.at(-1) as number;
  const title = `soak: ${seconds} s at full load`;
  const mib = (kib: number) => (kib / 1024).toFixed(0);
  const text = [
    `${title}: ${messages} messages, each delivered once`,
    `  resident after a collection, MiB: ${memory.map(mib).join(' ')}`,
  ].join('\n');
  const kept = after <= before * MOST + SLACK_KIB;
  const bounds = [
    { what: `soak: no growth of memory (${mib(before)} to ${mib(after)} MiB)`, kept },
  ];
  return { title, text, data: { seconds, messages, memory }, bounds };
}
