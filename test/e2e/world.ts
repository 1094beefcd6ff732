// A relay, the tap before it, alice and bob, and the account between them; and the words that nobody on the way may
// read: they are part of every message.

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Account, Way } from './account.ts';
import { Person, Relay } from './people.ts';
import { Tap } from './tap.ts';

export interface WorldOptions {
  /** A copy of the programs with a fault in it. */
  readonly root?: string | undefined;
  readonly patienceMs?: number | undefined;
  readonly sendTimeout?: string | undefined;
}

const POLL_MS = 100;

export class World {
  readonly account = new Account();
  /** In the texts of all messages, and in the names that people give to each other. */
  readonly word = `Mz${randomBytes(9).toString('hex')}`;
  /** Of the relay, by way of the tap. */
  readonly address: string;
  readonly relay: Relay;
  readonly tap: Tap;
  readonly alice: Person;
  readonly bob: Person;
  readonly patienceMs: number;
  #count = 0;

  private constructor(
    relay: Relay,
    tap: Tap,
    { root, patienceMs = 120_000, sendTimeout = '20s' }: WorldOptions,
  ) {
    this.relay = relay;
    this.tap = tap;
    this.patienceMs = patienceMs;
    this.address = `flexim://127.0.0.1:${tap.port}?relay=${relay.key}`;
    const options = { account: this.account, relay: this.address, root, sendTimeout };
    this.alice = new Person('alice', options);
    this.bob = new Person('bob', options);
    this.alice.way = new Way(this.account, 'bob to alice');
    this.bob.way = new Way(this.account, 'alice to bob');
  }

  static async open(options: WorldOptions = {}): Promise<World> {
    const relay = await new Relay(options.root).start();
    const tap = await Tap.listen();
    tap.target = relay.port;
    return new World(relay, tap, options);
  }

  get people(): readonly Person[] {
    return [this.alice, this.bob];
  }

  other(person: Person): Person {
    return person === this.alice ? this.bob : this.alice;
  }

  /** Identities, and a first login of each, so that they can be written to. */
  async meet(): Promise<void> {
    for (const person of this.people) {
      const [key = ''] = await person.ok('keygen', person.name, '--no-passphrase');
      person.key = key;
      await person.ok('receive');
    }
    // Names that are nobody's business, for people who are known by their keys.
    for (const person of this.people)
      await person.ok('contacts', 'add', this.other(person).key, `${this.word}${person.name}`);
  }

  texts(from: Person, count: number): string[] {
    return Array.from({ length: count }, () => `${from.name} ${++this.#count} ${this.word}`);
  }

  /** Both programs again, wherever they ended. */
  async restartRelay(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const ended = await this.relay.end(signal);
    if (signal === 'SIGTERM' && ended?.code !== 0)
      this.account.violation('crash', `the relay ended with ${ended?.code}: ${ended?.stderr}`);
    await this.relay.start();
    this.tap.target = this.relay.port;
  }

  receiveAll(): void {
    for (const person of this.people) if (!person.receiver) person.receive();
  }

  /** Waits for what must come; how long says nothing but that it came. */
  async until(holds: () => boolean | Promise<boolean>, what: string): Promise<boolean> {
    const end = performance.now() + this.patienceMs;
    while (!(await holds())) {
      if (performance.now() > end) {
        this.account.violation('hang', `never: ${what}`);
        return false;
      }
      await sleep(POLL_MS);
    }
    return true;
  }

  /** All that was promised or kept is shown and acknowledged; then the histories are compared. */
  async settle(): Promise<void> {
    this.receiveAll();
    for (const person of this.people) {
      const writer = this.other(person);
      const hasAll = async () => {
        if (person.way?.missing.length !== 0) return false;
        return (await writer.history(person.key)).every(
          ({ id, outgoing }) => !outgoing || person.way?.hasShown(id),
        );
      };
      await this.until(hasAll, `what ${writer.name} wrote to ${person.name}`);
    }
    for (const person of this.people) await person.rest();
    const [ofAlice, ofBob] = await Promise.all(
      this.people.map((person) => person.history(this.other(person).key)),
    );
    this.bob.way?.settle(ofAlice ?? [], ofBob ?? []);
    this.alice.way?.settle(ofBob ?? [], ofAlice ?? []);
  }

  async close(): Promise<void> {
    for (const person of this.people) {
      person.receiver?.kill();
      await person.receiver?.ended;
    }
    await this.relay.end('SIGKILL');
    await this.tap.close();
    for (const { home } of [this.relay, ...this.people]) home.remove();
  }
}
