// `flexim chat --transport auto`: two people in terminals of their own, a relay, and nodes that meet.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../../ports.ts';
import { withRelay } from '../../relay.ts';
import { type Home, withHome } from '../program.ts';
import { type Terminal, withTerminal } from '../terminal.ts';

const test = suite('cli: both ways at once');

interface Seat {
  readonly home: Home;
  readonly terminal: Terminal;
  readonly node: string;
  readonly key: string;
  chat(who: string): Promise<void>;
}

async function withSeat(
  name: string,
  relay: number,
  body: (seat: Seat) => Promise<void>,
): Promise<void> {
  await withHome(async (home) => {
    await home.ok(['keygen', name]);
    const { key } = JSON.parse(await home.ok(['whoami', '--json']));
    const node = `127.0.0.1:${await freePort()}`;
    await withTerminal(home, async (terminal) => {
      terminal.resize(100, 24);
      const variables = `FLEXIM_LISTEN=${node}; FLEXIM_RELAY=127.0.0.1:${relay}`;
      terminal.type(`${variables}; export FLEXIM_LISTEN FLEXIM_RELAY\r`);
      const chat = async (who: string) => {
        await terminal.clear();
        terminal.type(`flexim chat ${who} --transport auto 2>/dev/null; echo left\r`);
      };
      await body({ home, terminal, node, key, chat });
    });
  })();
}

test('straight when they have met, /transport goes by the relay alone and back, and all is there once', () =>
  withRelay(({ port }) =>
    withSeat('alice', port, (alice) =>
      withSeat('bob', port, async (bob) => {
        const by = ['--relay', `127.0.0.1:${port}`];
        for (const [one, other, name] of [
          [alice, bob, 'bob'],
          [bob, alice, 'alice'],
        ] as const) {
          const add = ['contacts', 'add', other.key, name, '--at', other.node, ...by];
          assert.match(await one.home.ok(add), new RegExp(`at ${other.node}`));
        }
        await bob.chat('alice');
        await bob.terminal.until(/ online · flexim over tcp/);
        await alice.chat('bob');
        await alice.terminal.until(/ online · enclave, straight/);
        await bob.terminal.until(/ online · enclave, straight/);
        alice.terminal.type('hello bob\r');
        await bob.terminal.until(/alice: hello bob/);
        alice.terminal.type('/transport flexim\r');
        await alice.terminal.until(/ online · flexim over tcp/);
        await bob.terminal.until(/ online · flexim over tcp/);
        alice.terminal.type('by the relay\r');
        await bob.terminal.until(/alice: by the relay/);
        alice.terminal.type('/transport auto\r');
        await alice.terminal.until(/ online · enclave, straight/);
        bob.terminal.type('straight again\r');
        await alice.terminal.until(/bob: straight again/);
      }),
    ),
  ));

test.run();
