// The program that looks over a store that was not closed in good order: `walk FILE`, started by
// check.ts with a channel for its report. Damaged pages kill this process instead of its parent.

import { systemCode } from '../lib/errors.ts';
import type { Report } from './check.ts';
import { isDamage } from './failures.ts';
import { inspect, RowProblem } from './inspect.ts';
import { PageProblem } from './pages.ts';

const TELL_MS = 100;

/** Waits until the report is on its way, and lets the end of the parent be seen. */
function send(report: Report): Promise<void> {
  return new Promise((resolve) => {
    if (process.send) process.send(report, () => resolve());
    else resolve();
  });
}

async function walk(path: string): Promise<Report> {
  let told = 0;
  try {
    const sound = await inspect(path, async (progress) => {
      if (performance.now() - told < TELL_MS) return;
      told = performance.now();
      await send({ progress });
    });
    return { sound };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const { message } = error;
    const isProblem = error instanceof PageProblem || error instanceof RowProblem;
    if (isProblem || isDamage(error)) return { damage: message };
    if (systemCode(error) === 'EIO') return { damage: 'the disk gives an error (EIO)' };
    return { failure: message, code: systemCode(error) };
  }
}

process.on('disconnect', () => process.exit()); // the parent is gone
await send(await walk(process.argv[2] ?? ''));
process.exit();
