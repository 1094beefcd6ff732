// What `npm run bench -- all --results` leaves: bench/results.json for programs, bench/RESULTS.md for people,
// and the charts of the README.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeCharts } from './charts.ts';
import { machine, type Report } from './measure.ts';

export interface Results {
  readonly machine: string;
  readonly commit: string;
  readonly command: string;
  readonly results: readonly { readonly title: string; readonly data: unknown }[];
}

export const RESULTS_JSON = join(import.meta.dirname, 'results.json');

export function resultsOf(reports: readonly Report[], args: readonly string[]): Results {
  return {
    machine: machine(),
    commit: commit(),
    command: `npm run bench -- ${args.join(' ')}`,
    results: reports.map(({ title, data }) => ({ title, data })),
  };
}

export function writeResults(reports: readonly Report[], args: readonly string[]): void {
  const results = resultsOf(reports, args);
  writeFileSync(RESULTS_JSON, `${JSON.stringify(results, null, 1)}\n`);
  const bounds = reports.flatMap((report) => report.bounds);
  const lines = [
    '# Results of the benches',
    '',
    `\`${results.command}\` wrote this at commit ${results.commit}, on: ${results.machine}. Figures of one`,
    'run; compare what stands in one table, for machines differ and this one may have been busy.',
    ...reports.flatMap(({ title, text }) => ['', `## ${title}`, '', '```', text, '```']),
    '',
    '## Bounds',
    '',
    ...bounds.map(({ what, kept }) => `- ${kept ? 'kept' : '**not kept**'}: ${what}`),
    '',
  ];
  writeFileSync(join(import.meta.dirname, 'RESULTS.md'), lines.join('\n'));
  writeCharts(results);
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}
