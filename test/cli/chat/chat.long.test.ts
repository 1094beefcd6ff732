// The screen in a real terminal (tmux): golden captures in several sizes, resize, suspend and resume, and a
// terminal that is as it was after every kind of end. GOLDEN=write makes the captures anew.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withHome } from '../program.ts';
import { type Terminal, withTerminal } from '../terminal.ts';

const test = suite('chat: at a terminal');
const ROOT = join(import.meta.dirname, '../../..');
const GOLDEN = join(import.meta.dirname, 'golden');
const DEMO = `cd '${ROOT}' && TZ=UTC '${process.execPath}' --import tsx test/cli/chat/demo.ts`;
const READY = /the build is red[\s\S]*> *$/;

function golden(name: string, screen: string): void {
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

function chat(run: (terminal: Terminal) => Promise<void>, size?: readonly [number, number]) {
  return withHome(async (home) => {
    await withTerminal(home, async (terminal) => {
      if (size) terminal.resize(...size);
      await run(terminal);
    });
  });
}

/** The shell has its terminal again: what is typed is echoed, and nothing of the chat is left. */
async function restored(terminal: Terminal, words: RegExp): Promise<string> {
  await terminal.until(words);
  terminal.type('stty -a | tr " " "\\n" | grep -c -x -e icanon -e echo -e isig\r');
  await terminal.until(/^3$/m);
  return terminal.screen();
}

for (const size of [
  [80, 24],
  [120, 40],
  [40, 12],
  [20, 5],
] as const)
  test(
    `golden: ${size.join('x')}`,
    chat(async (terminal) => {
      terminal.type(`${DEMO}\r`);
      await terminal.until(READY);
      golden(`full-${size.join('x')}`, terminal.screen());
    }, size),
  );

test(
  'golden: typed, sent, urgent, help, search; then the screen before is there again',
  chat(
    async (terminal) => {
      terminal.type(`echo before; ${DEMO}\r`);
      await terminal.until(READY);
      terminal.type('two\x1b\rlines 花子');
      await terminal.until(/> two\n {2}lines 花子/);
      golden('typed', terminal.screen());
      terminal.type('\r');
      await terminal.until(/me> two\n.*lines 花子 ✓✓/);
      terminal.type('/search time that\r');
      await terminal.until(/1 of 1/);
      golden('search', terminal.screen());
      terminal.type('/help\r');
      await terminal.until(/any key goes back/);
      golden('help', terminal.screen());
      terminal.type('\x1b[5~/nope\r');
      await terminal.until(/not sent: there is no \/nope/);
      terminal.type('\x03/quit\r');
      const screen = await restored(terminal, /ended: quit/);
      assert.match(screen, /before/);
      assert.not.match(screen, /the build is red/);
    },
    [80, 24],
  ),
);

test(
  'a paste is one message',
  chat(
    async (terminal) => {
      terminal.type(`${DEMO}\r`);
      await terminal.until(READY);
      terminal.type('\x1b[200~first\rsecond\r\x1b[201~');
      await terminal.until(/> first\n {2}second/);
      assert.not.match(terminal.screen(), /me> first/);
    },
    [80, 24],
  ),
);

test(
  'resize: drawn anew',
  chat(
    async (terminal) => {
      terminal.type(`${DEMO}\r`);
      await terminal.until(READY);
      terminal.resize(40, 12);
      await terminal.until(/^ bob · verified.*●/);
      golden('full-40x12', terminal.screen());
      terminal.resize(19, 4);
      await terminal.until(/too small/);
      terminal.resize(80, 24);
      await terminal.until(/1 bob .*│/);
    },
    [80, 24],
  ),
);

for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const)
  test(
    `${signal}: the terminal is given back`,
    chat(
      async (terminal) => {
        terminal.type(`${DEMO}\r`);
        await terminal.until(READY);
        process.kill(terminal.foreground(), signal);
        await restored(terminal, new RegExp(`ended: ${signal}`));
      },
      [80, 24],
    ),
  );

test(
  'an exception is seen on the screen that stays',
  chat(
    async (terminal) => {
      terminal.type(`${DEMO} --fail\r`);
      await terminal.until(READY);
      terminal.type('x\r');
      const screen = await restored(terminal, /this is the failure asked for/);
      assert.not.match(screen, /the build is red/);
    },
    [80, 24],
  ),
);

for (const how of ['Ctrl-Z', 'SIGTSTP'] as const)
  test(
    `${how}, then fg: the shell has a terminal, and the chat is as it was`,
    chat(
      async (terminal) => {
        terminal.type(`set -m; ${DEMO}\r`);
        await terminal.until(READY);
        terminal.type('draft');
        await terminal.until(/> draft/);
        if (how === 'Ctrl-Z') terminal.type('\x1a');
        else process.kill(terminal.foreground(), 'SIGTSTP');
        await restored(terminal, /[Ss]topped|Suspended/);
        terminal.type('fg\r');
        await terminal.until(/the build is red[\s\S]*> draft *$/);
        terminal.type(' more');
        await terminal.until(/> draft more/);
      },
      [80, 24],
    ),
  );

test(
  'golden: --inline goes into the scrollback, and stays there',
  chat(
    async (terminal) => {
      terminal.type(`clear; ${DEMO} --inline\r`);
      await terminal.until(READY);
      terminal.type('hello\r');
      await terminal.until(/me> hello[\s\S]*✓✓/);
      terminal.type('half\x1b\ra line');
      await terminal.until(/> half\n {2}a line/);
      golden('inline', terminal.screen().replace(/^.*demo\.ts.*\n(.*--inline\n)?/, ''));
      terminal.type('\x03\x04');
      const screen = await restored(terminal, /ended: quit/);
      assert.match(screen, /me> hello/);
    },
    [80, 40],
  ),
);

test(
  'TERM=dumb and pipes: plain, in words',
  chat(
    async (terminal) => {
      terminal.type(`TERM=dumb; export TERM; ${DEMO}\r`);
      await terminal.until(/Conversation with bob, verified/);
      await terminal.until(/URGENT from bob, 12:10: the build is red/);
      terminal.type('/nope\r');
      await terminal.until(/not sent: there is no \/nope/);
      terminal.type('\x04');
      await terminal.until(/ended: quit/);
      await terminal.clear();
      terminal.type(`echo hi | (${DEMO}) 2>&1 | tail -1\r`);
      await terminal.until(/^ended: quit$/m);
      terminal.type(`sleep 1 | (${DEMO} --chatter 1) | head -1; echo "done"\r`);
      await terminal.until(/^done$/m);
    },
    [80, 24],
  ),
);

test.run();
