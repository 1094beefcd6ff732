// flexim chat in its other modes, with people who are not there, and how it ends: the real command.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { golden, restored } from './demo-terminal.ts';
import { atTable, capture, settled } from './real-terminal.ts';

const test = suite('chat: modes and ends');

test(
  'inline and plain, and both at once with one who has the full screen',
  atTable(async ({ alice, bob }) => {
    await alice.chat('--inline');
    await alice.terminal.until(/first contact/);
    alice.terminal.type('x\x7f');
    await alice.terminal.until(/nobody yet: \/msg WHO · online/);
    await bob.chat('--plain alice');
    await bob.terminal.until(/Conversation with alice/);
    bob.terminal.type('hello\r');
    await alice.terminal.until(/bob\? has written: Alt-1/);
    alice.terminal.type('\x1b1');
    await alice.terminal.until(/bob\?: hello[\s\S]*wrote first/);
    alice.terminal.type('good evening\r');
    await bob.terminal.until(/alice, 12|alice, \d\d:\d\d: good evening/);
    bob.terminal.type('/notify now\r');
    await bob.terminal.until(/delivered to alice: now/);
    bob.terminal.type('/me leaves\r');
    await alice.terminal.until(/\* bob leaves/);
    golden('real-inline', settled(alice.terminal.screen()));
    await capture('plain', bob, /delivered to alice: leaves/);
    bob.terminal.type('\x04');
    await bob.left();
    bob.terminal.type(
      'clear; printf "one\\n/nope\\n" | flexim chat alice 2>&1 | tail -2; echo done\r',
    );
    await bob.terminal.until(
      /1 not sent yet: kept here.*\n.*one line was not sent; why stands above/,
    );
    await bob.terminal.until(/^done$/m);
    await bob.chat('--plain');
    await alice.terminal.until(/bob: one/);
  }),
);

test(
  'who is not to be found is a notice, and in a pipe the end',
  atTable(async ({ alice }) => {
    await alice.chat('nobody');
    await alice.terminal.until(/ nobody is known as nobody, neither here nor at the relay/);
    alice.terminal.type('hi\r');
    await alice.terminal.until(/not sent: to whom\? \/msg WHO\s+> hi$/m);
    alice.terminal.type('\x03\x04');
    await alice.left();
    const error = await alice.home.fails(
      ['chat', 'nobody', '--relay', '127.0.0.1:1'],
      [69, 'not-connected'],
    );
    assert.match(error, /nobody is no contact yet, and there is no connection to look him up/);
    await alice.chat('nobody --relay 127.0.0.1:1');
    await alice.terminal.until(/nobody is no contact yet, and there is no connection/);
    alice.terminal.type('\x04');
    await alice.left();
  }),
);

const CRASH = `--import=data:text/javascript,process.on('SIGUSR2',()=>{throw(new(TypeError)('asked-for'))})`;

for (const [signal, words] of [
  ['SIGTERM', /ended 143/],
  ['SIGHUP', /ended 129/],
  ['SIGINT', /ended 130/],
  ['SIGUSR2', /TypeError: asked-for[\s\S]*ended 1$/m],
] as const)
  test(
    `${signal === 'SIGUSR2' ? 'a crash' : signal}: the terminal is given back, and what was entered is kept`,
    atTable(async ({ alice, bob }) => {
      await bob.chat();
      await bob.terminal.until(/online/);
      const { terminal } = alice;
      await terminal.clear();
      terminal.type(`NODE_OPTIONS="${CRASH}"; export NODE_OPTIONS; clear\r`);
      terminal.type('flexim chat bob; echo ended $?\r');
      await terminal.until(/Nothing was said here yet/);
      terminal.type('precious\r');
      await terminal.until(/me> precious/);
      process.kill(terminal.foreground(), signal);
      const screen = await restored(terminal, words);
      assert.not.match(screen, /me> precious/);
      await alice.chat('bob');
      await terminal.until(/me> precious ✓✓/);
    }),
  );

test(
  'Ctrl-D at once after a paste of many lines: all of them are kept, and arrive in order',
  atTable(async ({ alice, bob }) => {
    await bob.chat();
    await bob.terminal.until(/online/);
    await alice.chat('bob');
    await alice.terminal.until(/Nothing was said here yet/);
    const lines = Array.from({ length: 40 }, (_, i) => `line ${i}\r`).join('');
    alice.terminal.type(`${lines}\x04`);
    await alice.left();
    await alice.chat('bob');
    await alice.terminal.until(/me> line 39 ✓✓/);
    bob.terminal.type('\x1b1');
    const shown = await bob.terminal.until(/(?:alice\?: line \d+\n.*){9}alice\?: line 39/);
    const numbers = [...shown[0].matchAll(/line (\d+)/g)].map(([, number]) => Number(number));
    assert.equal(numbers, [30, 31, 32, 33, 34, 35, 36, 37, 38, 39]);
  }),
);

test.run();
