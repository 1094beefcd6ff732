// The tables of the relay bench, and what --check holds it to: ratios, for machines differ in speed.

import type { Report } from '../measure.ts';
import type { Entry, Ratio, Row } from './rows.ts';

/** By the processor time of the servers: on a machine with others the clock measures the others. */
const BOUNDS: Readonly<Record<'small' | 'any' | 'acks' | 'forwarder', number>> = {
  small: 1.5, // paired, up to 1 KiB
  any: 1,
  acks: 0.7,
  forwarder: 0.5,
};
const SMALL = 1_024;
const FORWARDER_CELL = '256x16x1';

const short = (value: number): string =>
  value >= 1e6 ? `${(value / 1e6).toFixed(2)}M` : `${(value / 1e3).toFixed(0)}k`;
const times = (value: number | null): string => (value === null ? '-' : value.toFixed(2));
const both = ({ clock, cpu }: Ratio): string => `${times(clock)} ${times(cpu).padStart(5)}`;

export function throughput(rows: readonly Row[], where: string): Report {
  const names = [...new Set(rows.flatMap(({ entries }) => entries.map(({ name }) => name)))];
  const title = `relay: messages delivered/s, ${where}`;
  const cell = (entries: readonly Entry[], name: string): string => {
    const entry = entries.find((each) => each.name === name);
    if (!entry) return '-'.padStart(17);
    const { perSecond, min, max } = entry;
    return `${short(perSecond).padStart(6)} ${`${short(min)}–${short(max)}`.padStart(10)}`;
  };
  const wide = (text: string) => text.padStart(18);
  const rates = rows.map(
    ({ name, entries }) =>
      `  ${name.padEnd(11)}${names.map((each) => wide(cell(entries, each))).join('')}`,
  );
  const ratios = rows.map(
    ({ name, best, acksBest, acks, forwarder }) =>
      `  ${name.padEnd(11)}${[best, acksBest, acks, forwarder].map((each) => wide(both(each))).join('')}`,
  );
  const heads = ['to best peer', '+acks to it', 'acks keep', 'of forwarder'];
  const text = [
    `${title}: median, min–max (payload x pairs x fan)`,
    `  ${' '.repeat(11)}${names.map(wide).join('')}`,
    ...rates,
    '  ratios, medians over rounds: by the clock, and for a second of the servers’ processor time',
    `  ${' '.repeat(11)}${heads.map(wide).join('')}`,
    ...ratios,
    `  share of a core, server and load: ${shares(rows, names)}`,
    ...queued(rows),
  ].join('\n');
  return { title, text, data: { kind: 'relay', where, rows }, bounds: rows.flatMap(bounds) };
}

/** On a machine with others a reader may be away for so long that the relay puts a part on its disk. */
function queued(rows: readonly Row[]): readonly string[] {
  const entries = rows.flatMap((row) => row.entries.filter((each) => each.queued > 0));
  if (entries.length === 0) return [];
  const runs = entries.reduce((sum, each) => sum + each.queued, 0);
  return [`  in ${runs} runs a reader was late, and a part went by the relay's disk`];
}

/** That the load is not what is measured. */
function shares(rows: readonly Row[], names: readonly string[]): string {
  return names
    .map((name) => {
      const mine = rows.flatMap(({ entries }) => entries.filter((each) => each.name === name));
      const most = (of: (entry: Entry) => number) => Math.max(...mine.map(of)).toFixed(2);
      return `${name} ${most(({ serverCpu }) => serverCpu ?? 0)}/${most(({ loadCpu }) => loadCpu)}`;
    })
    .join(', ');
}

function bounds({ cell, name, best, acks, forwarder }: Row): Report['bounds'] {
  const value = ({ cpu, clock }: Ratio) => cpu ?? clock;
  const limit = !cell.spread && cell.bytes <= SMALL ? BOUNDS.small : BOUNDS.any;
  const all = [
    { what: `${name}: ${limit} of the best peer`, is: value(best), limit },
    { what: `${name}: acknowledgements keep ${BOUNDS.acks}`, is: value(acks), limit: BOUNDS.acks },
  ];
  if (name === FORWARDER_CELL)
    all.push({
      what: `${name}: ${BOUNDS.forwarder} of a bare forwarder`,
      is: value(forwarder),
      limit: BOUNDS.forwarder,
    });
  return all.flatMap(({ what, is, limit: least }) =>
    is === null ? [] : [{ what: `relay ${what} (${is.toFixed(2)})`, kept: is >= least }],
  );
}
