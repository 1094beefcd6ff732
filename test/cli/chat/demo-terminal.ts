// The demo in a terminal of its own (tmux), golden captures of it, and whether the terminal came back.
// GOLDEN=write makes the captures anew.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { withHome } from '../program.ts';
import { type Terminal, withTerminal } from '../terminal.ts';

const ROOT = join(import.meta.dirname, '../../..');
const GOLDEN = join(import.meta.dirname, 'golden');
export const DEMO = `cd '${ROOT}' && TZ=UTC '${process.execPath}' --import tsx test/cli/chat/demo.ts`;
export const READY = /the build is red[\s\S]*>\s*$/;

export function golden(name: string, screen: string): void {
  const path = join(GOLDEN, `${name}.txt`);
  const shown = `${screen
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .trimEnd()}\n`;
  if (process.env.GOLDEN === 'write') {
    mkdirSync(GOLDEN, { recursive: true });
    writeFileSync(path, shown);
  }
  assert.is(shown, readFileSync(path, 'utf8'), name);
}

export function chat(run: (terminal: Terminal) => Promise<void>, size?: readonly [number, number]) {
  return withHome(async (home) => {
    await withTerminal(home, async (terminal) => {
      if (size) terminal.resize(...size);
      await run(terminal);
    });
  });
}

/** The shell has its terminal again: what is typed is echoed, and nothing of the chat is left. */
export async function restored(terminal: Terminal, words: RegExp): Promise<string> {
  await terminal.until(words);
  terminal.type('stty -a | tr " " "\\n" | grep -c -x -e icanon -e echo -e isig\r');
  await terminal.until(/^(?:> )?3$/m);
  return terminal.screen();
}
