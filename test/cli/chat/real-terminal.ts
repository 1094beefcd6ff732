// Two people at the real command, each in a terminal (tmux) with a home of his own, and a real relay.

import { type Home, RelayProcess, withHome } from '../program.ts';
import { type Terminal, withTerminal } from '../terminal.ts';
import { golden } from './demo-terminal.ts';

export interface Seat {
  readonly home: Home;
  readonly terminal: Terminal;
  /** Begins `flexim chat …`, on an empty screen. */
  chat(args?: string): Promise<void>;
  /** … and the shell is there again. */
  left(): Promise<void>;
}

export interface Table {
  readonly alice: Seat;
  readonly bob: Seat;
  relay: RelayProcess;
  /** Another relay process in the place of this one; with another `data` it never heard of anybody. */
  restart(data?: string): Promise<void>;
  /** For so long a relay somewhere else, with the same key. */
  elsewhere(data: string, run: (relay: RelayProcess) => Promise<unknown>): Promise<void>;
}

// A zone in which it is about noon: no test meets midnight.
const hour = new Date().getUTCHours();
export const ZONE = hour === 12 ? 'UTC' : `Etc/GMT${hour > 12 ? '+' : '-'}${Math.abs(hour - 12)}`;

/** What is another one in each run, in as many characters. */
export function settled(screen: string): string {
  return screen
    .replace(/\d\d:\d\d (?=— |me>|\* |URGENT|\S{1,9}: )/g, '12:00 ')
    .replace(/, \d\d:\d\d: /g, ', 12:00: ')
    .replace(/─+ \w+day \d+ \w+ \d{4} ─+/g, '───── DAY ─────')
    .replace(/127\.0\.0\.1:\d{5}/g, '127.0.0.1:PORT5')
    .replace(/\b[0-9a-f]{8,64}\b/g, (hex) => 'f'.repeat(hex.length))
    .replace(/\b\d{5}\b/g, '12345');
}

/** Captures a screen when it shows the words. */
export async function capture(name: string, { terminal }: Seat, words: RegExp): Promise<void> {
  await terminal.until(words);
  golden(`real-${name}`, settled(terminal.screen()));
}

export function atTable(
  run: (table: Table) => Promise<void>,
  [columns, rows]: readonly [number, number] = [80, 24],
): () => Promise<void> {
  return withHome((home) => {
    const begin = (port = 0, data = 'relay') =>
      new RelayProcess(home, [
        ...['--port', String(port), '--data', home.file(data), '--keys', home.file('relay-keys')],
      ]).ready();
    return withSeat('alice', [columns, rows], (alice) =>
      withSeat('bob', [columns, rows], async (bob) => {
        const end = async (relay: RelayProcess) => {
          relay.child.kill('SIGKILL');
          await relay.ended;
        };
        const table: Table = {
          ...{ alice, bob, relay: await begin() },
          restart: async (data) => {
            const { port } = table.relay;
            await end(table.relay);
            table.relay = await begin(port, data);
          },
          elsewhere: async (data, run) => {
            const relay = await begin(0, data);
            await run(relay).finally(() => end(relay));
          },
        };
        for (const { terminal } of [alice, bob])
          terminal.type(`FLEXIM_RELAY=127.0.0.1:${table.relay.port}; export FLEXIM_RELAY\r`);
        try {
          await run(table);
        } finally {
          await end(table.relay);
        }
      }),
    );
  });
}

async function withSeat(
  name: string,
  [columns, rows]: readonly [number, number],
  run: (seat: Seat) => Promise<void>,
): Promise<void> {
  await withHome(async (home) => {
    await home.ok(['keygen', name]);
    await withTerminal(home, async (terminal) => {
      terminal.resize(columns, rows);
      terminal.type(`TZ=${ZONE}; export TZ\r`);
      const chat = async (args = '') => {
        await terminal.clear();
        terminal.type(`flexim chat ${args} 2>/dev/null; echo left\r`);
      };
      const left = () => terminal.until(/^left$/m).then(() => {});
      await run({ home, terminal, chat, left });
    });
  })();
}
