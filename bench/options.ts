// The command line of npm run bench.

import { parseArgs } from 'node:util';
import { type Cell, parseCells } from './relay/cells.ts';

export interface Options {
  readonly names: readonly string[];
  readonly quick: boolean;
  readonly check: boolean;
  /** Where results go as JSON; '-' is stdout, and then nothing else does. */
  readonly json: string | null;
  /** Writes bench/results.json, bench/RESULTS.md and the charts. */
  readonly results: boolean;
  readonly cells: readonly Cell[] | null;
  readonly rounds: number | null;
  readonly seconds: number | null;
  readonly progress: (line: string) => void;
}

export const HELP = `npm run bench -- [name …] [options]

  name             the benches to run (all, or none named: those of the first line)
  --quick          fewer cells and shorter runs
  --cells LIST     of relay and latency: payload x pairs x fan, as in 256x16x1,1024x128xN
  --rounds N       of each cell; rivals take turns in each
  --seconds S      of each run
  --check          fails when a bound is not kept
  --json FILE      results for programs; - for stdout
  --results        writes bench/results.json, bench/RESULTS.md and docs/charts/*.svg
`;

/** Throws an Error that says what is wrong. */
export function parseOptions(args: readonly string[], progress: (line: string) => void): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      results: { type: 'boolean', default: false },
      json: { type: 'string' },
      cells: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
    },
    allowPositionals: true,
  });
  const cells = values.cells === undefined ? null : parseCells(values.cells);
  if (values.cells !== undefined && !cells) throw new Error(`--cells ${values.cells}: no cells`);
  return {
    names: positionals,
    ...{ quick: values.quick, check: values.check, results: values.results },
    json: values.json ?? null,
    cells,
    rounds: positive('rounds', values.rounds),
    seconds: positive('seconds', values.seconds),
    progress,
  };
}

function positive(name: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new Error(`--${name} ${text}: want a number above 0`);
}
