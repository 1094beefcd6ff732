// Two people at `flexim chat --transport enclave`, each in a terminal of his own, and no relay anywhere.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../../ports.ts';
import { type Home, withHome } from '../program.ts';
import { type Terminal, withTerminal } from '../terminal.ts';

const test = suite('enclave: two people without a relay');

interface Seat {
  readonly home: Home;
  readonly terminal: Terminal;
  readonly port: number;
  readonly key: string;
  chat(who: string): Promise<void>;
}

async function withSeat(name: string, body: (seat: Seat) => Promise<void>): Promise<void> {
  await withHome(async (home) => {
    await home.ok(['keygen', name]);
    const { key } = JSON.parse(await home.ok(['whoami', '--json']));
    const port = await freePort();
    await withTerminal(home, async (terminal) => {
      terminal.resize(80, 24);
      terminal.type(`FLEXIM_LISTEN=127.0.0.1:${port}; export FLEXIM_LISTEN\r`);
      const chat = async (who: string) => {
        await terminal.clear();
        terminal.type(`flexim chat ${who} --transport enclave 2>/dev/null; echo left\r`);
      };
      await body({ home, terminal, port, key, chat });
    });
  })();
}

const withTwo = (body: (alice: Seat, bob: Seat) => Promise<void>) => () =>
  withSeat('alice', (alice) => withSeat('bob', (bob) => body(alice, bob)));

test(
  'they talk; one goes and comes, and what was written meanwhile is there once',
  withTwo(async (alice, bob) => {
    await alice.home.ok(['enclave', 'add', 'bob', `127.0.0.1:${bob.port}`]);
    await bob.home.ok(['enclave', 'add', 'alice', `127.0.0.1:${alice.port}`, alice.key]);
    await bob.chat('alice');
    await bob.terminal.until(/ online · enclave, 127\.0\.0\.1/);
    await alice.chat('bob');
    await alice.terminal.until(/^ bob · not verified .* online · enclave/);
    alice.terminal.type('hello bob\r');
    await bob.terminal.until(/alice: hello bob/);
    await alice.terminal.until(/me> hello bob ✓✓/);
    bob.terminal.type('hi alice\r');
    await alice.terminal.until(/bob: hi alice/);
    await bob.terminal.until(/me> hi alice ✓✓/);
    bob.terminal.type('/quit\r');
    await bob.terminal.until(/^left$/m);
    alice.terminal.type('are you there?\rwell\r');
    await alice.terminal.until(/me> well ·/);
    process.kill(alice.terminal.foreground(), 'SIGKILL');
    await alice.terminal.until(/left/);
    alice.terminal.type("\nstty sane; printf '\\033[?1049l'\n"); // he could not give it back
    await bob.chat('alice');
    await bob.terminal.until(/online · enclave/);
    await alice.chat('bob');
    await bob.terminal.until(/alice: are you there\?[\s\S]*alice: well/);
    await alice.terminal.until(/me> well ✓✓/);
    assert.is(bob.terminal.screen().split('alice: well').length, 2, 'once');
    alice.terminal.type('/verify\r');
    await alice.terminal.until(/any key goes back/);
    const number = /(?:\d{5} ){3}\d{5}/.exec(alice.terminal.screen())?.[0];
    bob.terminal.type('/verify\r');
    await bob.terminal.until(new RegExp(number as string));
  }),
);

test(
  'a node that knocks is shown to a person, accepted by name, and written to encrypted',
  withTwo(async (alice, bob) => {
    await bob.terminal.clear();
    bob.terminal.type('flexim enclave\r');
    await bob.terminal.until(/listening at 127/);
    await alice.home.ok(['enclave', 'add', 'bob', `127.0.0.1:${bob.port}`, bob.key]);
    await alice.chat('bob');
    await bob.terminal.until(/somebody knocks from 127\.0\.0\.1, with the key/);
    bob.terminal.type('/accept 1 alicia\r');
    await bob.terminal.until(/alicia is available, encrypted/);
    bob.terminal.type('alicia: welcome\r');
    await alice.terminal.until(/bob: welcome/);
    alice.terminal.type('thanks\r');
    await bob.terminal.until(/alicia: thanks/);
    bob.terminal.type('/friends\r');
    await bob.terminal.until(/alicia +available +127\.0\.0\.1 \(waits for him\) +key/);
    bob.terminal.type('/quit\r');
    await bob.terminal.until(/^\/quit\n>/m);
    assert.match(await bob.home.ok(['enclave', 'friends']), /^alicia .*waits for him.*key/);
  }),
);

test.run();
