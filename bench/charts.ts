// Bars as SVG from bench/results.json: the relay beside its peers, cell by cell. Run alone, it draws them
// again: node --import tsx bench/charts.ts

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { FORWARDER, type Row } from './relay/rows.ts';
import type { Results } from './results.ts';

const FOLDER = join(import.meta.dirname, '../docs/charts');
const WIDTH = 760;
const LEFT = 150; // for names of cells
const BAR = 13;
const GAP = 14;
const COLORS: Readonly<Record<string, string>> = {
  flexim: '#0b6e4f',
  'flexim+acks': '#6bbf59',
  NATS: '#4472a8',
  Redis: '#c0504d',
  Mosquitto: '#8e7cc3',
};

interface Bars {
  readonly name: string;
  readonly rates: readonly { readonly name: string; readonly rate: number }[];
}

/** Draws what is there of it. */
export function writeCharts({ results, machine }: Pick<Results, 'results' | 'machine'>): void {
  const tables = results.filter(({ data }) => (data as { kind?: string }).kind === 'relay');
  const rows = (tables[0]?.data as { rows: readonly Row[] } | undefined)?.rows ?? [];
  if (rows.length === 0) return;
  mkdirSync(FOLDER, { recursive: true });
  for (const spread of [false, true]) {
    const some = rows.filter(({ cell }) => cell.spread === spread);
    const title = spread ? 'each sender to all receivers' : 'each sender to one receiver';
    const file = join(FOLDER, spread ? 'relay-spread.svg' : 'relay-paired.svg');
    writeFileSync(file, chart(some.map(barsOf), `Messages a second, ${title}`, machine));
  }
}

/** For a second of the server's processor time, where it is known: neighbours do not count then. */
const barsOf = ({ cell, entries }: Row): Bars => ({
  name: `${cell.bytes} bytes, ${cell.pairs} ${cell.pairs === 1 ? 'pair' : 'pairs'}`,
  rates: entries
    .filter(({ name }) => name !== FORWARDER)
    .map(({ name, perCpu, perSecond }) => ({ name, rate: perCpu ?? perSecond })),
});

/** Each cell has a scale of its own: what is to be seen is who is how much faster. */
function chart(all: readonly Bars[], title: string, machine: string): string {
  let y = 64;
  const parts: string[] = [];
  for (const { name, rates } of all) {
    const most = Math.max(...rates.map(({ rate }) => rate));
    parts.push(text(LEFT - 8, y + (rates.length * BAR) / 2 + 4, name, 'end'));
    for (const each of rates) {
      const width = ((WIDTH - LEFT - 70) * each.rate) / most;
      const color = COLORS[each.name] ?? '#888';
      parts.push(
        `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR - 2}" fill="${color}"/>`,
        text(LEFT + width + 5, y + BAR - 3, short(each.rate), 'start'),
      );
      y += BAR;
    }
    y += GAP;
  }
  const legend = Object.entries(COLORS).map(([name, color], i) => {
    const x = LEFT + i * 110;
    return `<rect x="${x}" y="36" width="11" height="11" fill="${color}"/>${text(x + 16, 46, name, 'start')}`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + 20}" font-family="sans-serif" font-size="11">`,
    `<title>${title}</title>`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<text x="${LEFT}" y="22" font-size="14">${title}, for one core of the server</text>`,
    ...legend,
    ...parts,
    text(LEFT, y + 8, machine, 'start'),
    '</svg>',
    '',
  ].join('\n');
}

const text = (x: number, y: number, what: string, anchor: 'start' | 'end') =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="#333">${what}</text>`;

const short = (rate: number): string =>
  rate >= 1e6 ? `${(rate / 1e6).toFixed(2)} M` : `${(rate / 1e3).toFixed(0)} k`;

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  writeCharts(JSON.parse(readFileSync(join(import.meta.dirname, 'results.json'), 'utf8')));
