// The screen in a real terminal (tmux): golden captures in several sizes and modes.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chat, DEMO, golden, READY, restored } from './demo-terminal.ts';

const test = suite('chat: at a terminal');

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
      terminal.type(`echo hi | (${DEMO}) 2>&1 | tail -1 | sed s/^/piped-/\r`);
      await terminal.until(/piped-ended: quit/);
      terminal.type(`sleep 1 | (${DEMO} --chatter 1) | head -1; echo "done"\r`);
      await terminal.until(/ended: gone[\s\S]*^(?:> )?done$/m);
    },
    [80, 24],
  ),
);

test.run();
