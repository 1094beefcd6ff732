// What a recovery saved and lost, in words: for the stores of relays and of people.

import type { Recovered } from '../store/recover.ts';

export function salvageLines({ path, damage, kept, tables, notes }: Recovered): string[] {
  const lines = [`${damage}`, ...notes.map((note) => `note: ${note}`)];
  for (const [name, { saved, expected, badRows, badPages }] of tables) {
    const lost = expected === null ? 'nobody knows how many are lost' : lostRows(expected - saved);
    const bad = [
      badRows > 0 ? `${group(badRows)} with a wrong checksum` : '',
      badPages > 0 ? `${group(badPages)} pages could not be read` : '',
    ].filter(Boolean);
    lines.push(`table ${name}: ${group(saved)} rows saved, ${[lost, ...bad].join('; ')}`);
  }
  return [...lines, `the damaged file is kept as ${kept}`, `the new store is ${path}`];
}

function lostRows(count: number): string {
  return count > 0 ? `${group(count)} lost` : 'none lost';
}

export function group(n: number): string {
  return n.toLocaleString('en');
}
