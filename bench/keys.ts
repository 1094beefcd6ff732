// What is typed and said in the benches of the screen.

import type { App } from '../src/cli/chat/app.ts';
import type { Key } from '../src/cli/chat/keys.ts';

export const TEXTS = [
  'short',
  'a sentence of the usual length, with some words in it',
  '日本語の文章はどこでも折り返すことができます',
  'and \u{1f468}\u200d\u{1f469}\u200d\u{1f467} too',
  `long ${'and longer '.repeat(30)}`,
];

export function cpuMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

/** Letters, wide ones too, now and then a page up or down, and an empty line again. */
export function keyOf(i: number): string {
  if (i % 200 === 199) return '\x03';
  if (i % 50 === 10) return '\x1b[5~';
  if (i % 50 === 11) return '\x1b[6~';
  return i % 7 === 0 ? '花' : 'x';
}

export function press(keys: readonly Key[], app: App): void {
  for (const key of keys) app.press(key);
}

export const part = (sorted: readonly number[], which: number) =>
  sorted[Math.floor(which * (sorted.length - 1))] as number;
