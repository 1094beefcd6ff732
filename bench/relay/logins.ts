// Logins a second beside the public-key operations of a login alone, on the same core in turns: three
// boxes sealed and two opened. By the processor time of the relay and its children, for its clients work
// as hard as it does.

import { join } from 'node:path';
import { median, type Report } from '../measure.ts';
import type { Options } from '../options.ts';
import { Child, Place, UNLIMITED } from '../process.ts';
import { LOAD_CORE, SERVER_CORE } from './match.ts';
import { canPin } from './servers.ts';
import { cpuOfAll } from './time.ts';

const LEAST = 0.75;
const WARM_MS = 8_000; // of logins before: a relay has been running for a while, and its code is compiled

export async function logins({ quick, rounds, seconds, progress }: Options): Promise<Report[]> {
  const place = new Place();
  const [core, loadCore] = canPin() ? [SERVER_CORE, LOAD_CORE] : [null, null];
  const ms = (seconds ?? (quick ? 0.6 : 1.5)) * 1_000;
  const worker = (task: object, on: number | null) =>
    new Child(
      ['--import', 'tsx', join(import.meta.dirname, 'login.ts'), JSON.stringify(task)],
      {},
      on,
    );
  try {
    const { port, child } = await place.relay(UNLIMITED, { core });
    const [ours, alone]: [number[], number[]] = [[], []];
    const round = {
      ours: async () => {
        const client = worker({ task: 'logins', port, ms }, loadCore);
        await client.line(); // it is warm
        const before = cpuOfAll(child.pid);
        const { count } = JSON.parse(await client.line());
        ours.push(count / (cpuOfAll(child.pid) - before));
      },
      alone: async () => {
        const client = worker({ task: 'alone', port, ms }, core);
        const { count, cpu } = JSON.parse(await client.line());
        alone.push(count / cpu);
      },
    };
    if (!quick) {
      const client = worker({ task: 'logins', port, ms: WARM_MS }, loadCore);
      for (let line = 0; line < 2; line++) await client.line();
    }
    for (let i = 0; i < (rounds ?? (quick ? 2 : 5)); i++) {
      await (i % 2 === 0 ? round.ours() : round.alone());
      await (i % 2 === 0 ? round.alone() : round.ours());
      progress(
        `round ${i + 1}: ${ours.at(-1)?.toFixed(0)} logins, ${alone.at(-1)?.toFixed(0)} alone`,
      );
    }
    return [report(ours, alone)];
  } finally {
    await place.end();
  }
}

function report(ours: readonly number[], alone: readonly number[]): Report {
  const ratio = median(ours.map((each, i) => each / (alone[i] as number)));
  const title = 'logins: for a second of the relay’s processor time';
  const show = (all: readonly number[]) =>
    `${median(all).toFixed(0)} (${Math.min(...all).toFixed(0)}–${Math.max(...all).toFixed(0)})`;
  const text = [
    `${title}: median (min–max)`,
    `  logins                          ${show(ours)}`,
    `  their public-key work alone     ${show(alone)}   ${ratio.toFixed(2)} of it are reached`,
  ].join('\n');
  const bounds = [
    {
      what: `logins: ${LEAST} of their public-key work (${ratio.toFixed(2)})`,
      kept: ratio >= LEAST,
    },
  ];
  return { title, text, data: { ours, alone, ratio }, bounds };
}
