// Two people in terminals, from nothing: keygen, first contact, verify, chat both ways, away and back, another relay
// process, a kill. What each sees is waited for; what went to the relay must not tell any of it.

import { Terminal } from '../cli/terminal.ts';
import type { Person } from './people.ts';
import { blindness, leaks } from './privacy.ts';
import { World } from './world.ts';

const ESCAPE_1 = '\x1b1'; // Alt-1: the first conversation

/** What is wrong, or null. Throws with the screen when something does not appear. */
export async function conversation(): Promise<string | null> {
  const world = await World.open();
  const seats: Seat[] = [];
  try {
    for (const person of world.people) seats.push(new Seat(world, person));
    await talk(world, seats[0] as Seat, seats[1] as Seat);
    const found = [
      ...world.account.violations.map(({ what }) => what),
      ...leaks(world),
      ...blindness(world),
    ];
    return found.length === 0 ? null : found.join('\n     ');
  } finally {
    for (const { terminal } of seats) terminal.close();
    await world.close();
  }
}

class Seat {
  readonly terminal: Terminal;
  readonly #person: Person;

  constructor(world: World, person: Person) {
    this.#person = person;
    this.terminal = new Terminal(person.home);
    this.terminal.type(`FLEXIM_RELAY='${world.address}'; export FLEXIM_RELAY; TZ=UTC; export TZ\r`);
  }

  async keygen(): Promise<void> {
    this.terminal.type(`flexim keygen ${this.#person.name} --no-passphrase\r`);
    await this.terminal.until(new RegExp(`${this.#person.name} is in `));
    const [, key = ''] = await this.terminal.until(/^([0-9a-f]{64})$/m);
    this.#person.key = key;
  }

  async chat(args: string, words: RegExp): Promise<void> {
    await this.terminal.clear();
    this.terminal.type(`flexim chat ${args}\r`);
    await this.terminal.until(words);
  }

  say(text: string): void {
    this.terminal.type(`${text}\r`);
  }

  /** The safety number, as it stands on the screen. */
  async number(): Promise<string> {
    this.say('/verify');
    await this.terminal.until(/(?:\d{5} ){3}\d{5}[\s\S]*any key goes back/);
    return (this.terminal.screen().match(/\b\d{5}\b/g) ?? []).join(' ');
  }

  /** As often as it stands there. */
  count(words: string): number {
    return this.terminal.screen().split(words).length - 1;
  }
}

async function talk(world: World, alice: Seat, bob: Seat): Promise<void> {
  const text = (n: number) => `words${n}-${world.word}`;
  const seen = (n: number, from: string) => new RegExp(`${from}: .*${text(n)}`);
  const ticks = (n: number, marks: string) => new RegExp(`me> ${text(n)} ${marks}$`, 'm');
  await alice.keygen();
  await bob.keygen();
  await bob.chat('', /online/);
  await alice.chat('bob', /^ bob · not verified .*online/m);
  alice.say(text(1));
  await bob.terminal.until(/alice\? has written: Alt-1/);
  bob.terminal.type(ESCAPE_1);
  await bob.terminal.until(seen(1, 'alice\\?'));
  bob.say(text(2));
  await alice.terminal.until(seen(2, 'bob'));
  await bob.terminal.until(ticks(2, '✓✓'));

  const numbers = [await alice.number(), await bob.number()];
  if (numbers[0] !== numbers[1])
    world.account.violation('unsent', `safety numbers differ: ${numbers.join(' | ')}`);
  alice.say('/verify yes');
  await alice.terminal.until(/^ bob · verified/m);

  bob.say(''); // the number goes away
  bob.say('/quit');
  await bob.terminal.until(/^> *$/m);
  alice.say(text(3));
  await alice.terminal.until(ticks(3, '✓')); // the relay has it
  await bob.chat('alice', seen(3, 'alice'));
  await alice.terminal.until(ticks(3, '✓✓'));

  await world.restartRelay('SIGKILL');
  bob.say(text(4));
  await alice.terminal.until(seen(4, 'bob'));
  await world.restartRelay('SIGTERM');
  alice.say(text(5));
  await bob.terminal.until(seen(5, 'alice'));
  await alice.terminal.until(ticks(5, '✓✓'));

  process.kill(alice.terminal.foreground(), 'SIGKILL');
  bob.say(text(6));
  await bob.terminal.until(ticks(6, '[·✓]')); // · when it had been on its way to the killed one: the relay is silent then
  alice.terminal.type('stty sane\n'); // a killed program cannot give its terminal back
  await alice.chat('bob', seen(6, 'bob'));
  await bob.terminal.until(ticks(6, '✓✓'));
  for (const n of [1, 2, 3, 4, 5, 6])
    for (const [seat, name] of [
      [alice, 'alice'],
      [bob, 'bob'],
    ] as const)
      if (seat.count(text(n)) !== 1)
        world.account.violation(
          seat.count(text(n)) === 0 ? 'lost' : 'doubled',
          `message ${n} stands ${seat.count(text(n))} times on the screen of ${name}`,
        );
}
