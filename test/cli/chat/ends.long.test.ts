// However the chat ends or is stopped, the terminal is as it was before.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chat, DEMO, READY, restored } from './demo-terminal.ts';

const test = suite('chat: the terminal is given back');

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
        await terminal.until(/the build is red[\s\S]*> draft\s*$/);
        terminal.type(' more');
        await terminal.until(/> draft more/);
      },
      [80, 24],
    ),
  );

test.run();
