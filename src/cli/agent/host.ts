// The owner's side of the profile's socket: an agent that also serves the verbs, and all that happens, to
// other processes of the same user. A guest who does harm, or takes nothing, loses his place, nobody else.

import type { Channel } from '../../net/channel.ts';
import type { LocalListener } from '../../net/local.ts';
import type { Agent, AgentEvent } from './agent.ts';
import { Guest, type GuestLimits } from './guest.ts';
import { encodeEvent } from './values.ts';
import type { ArgsOf, ResultOf, VerbName } from './verbs.ts';
import { frame, type Hello, type Welcome } from './wire.ts';

export interface HostLimits extends GuestLimits {
  readonly guests: number;
  readonly all: number; // bytes that wait for all of them; then the one who holds most is cut
  readonly stuckMs: number; // who takes nothing for so long, although something waits, is cut
}

const MIB = 1024 * 1024;
export const LIMITS: HostLimits = {
  hello: 4 * 1024,
  helloMs: 10_000,
  frame: 128 * 1024,
  asked: 1_024, // fewer, and a thousand lines at once take more commits of the store
  asking: 4 * MIB,
  waiting: MIB,
  answer: 32 * MIB,
  guests: 64,
  all: 128 * MIB,
  stuckMs: 30_000,
};

export interface HostOptions {
  /** Opens the door; what comes in is handed over. */
  readonly listen: (accept: (channel: Channel) => void) => Promise<LocalListener>;
  /** Throws a FleximError that tells a guest why he cannot come in. */
  readonly admit: (hello: Hello) => Welcome;
  readonly limits?: Partial<HostLimits>;
}

export class Host implements Agent {
  readonly me: Agent['me'];
  readonly #agent: Agent;
  readonly #options: HostOptions;
  readonly #limits: HostLimits;
  readonly #guests = new Set<Guest>();
  #listener: LocalListener | null = null;
  #looking: NodeJS.Timeout | null = null;
  #isClosed = false;

  private constructor(agent: Agent, options: HostOptions) {
    this.me = agent.me;
    this.#agent = agent;
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
  }

  /** Serves what `agent` can. It is closed with the host. */
  static async open(agent: Agent, options: HostOptions): Promise<Host> {
    const host = new Host(agent, options);
    host.#listener = await options.listen((channel) => host.#accept(channel));
    void host.#broadcast(agent.events());
    host.#looking = setInterval(() => host.#look(), host.#limits.stuckMs);
    return host;
  }

  ask<N extends VerbName>(verb: N, ...args: ArgsOf<N>): Promise<ResultOf<N>> {
    return this.#agent.ask(verb, ...args);
  }

  events(): AsyncIterableIterator<AgentEvent> {
    return this.#agent.events();
  }

  /** The socket goes before the store is given back: whoever takes over finds the place free. */
  async close(): Promise<void> {
    await this.#leave();
    await this.#agent.close();
  }

  async #leave(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#looking) clearInterval(this.#looking);
    const gone = this.#listener?.close();
    for (const guest of this.#guests) guest.drop(); // what had no answer is asked again
    await gone;
  }

  #accept(channel: Channel): void {
    if (this.#isClosed || this.#guests.size >= this.#limits.guests) return channel.reset();
    const guest = new Guest(channel, {
      ...{ agent: this.#agent, limits: this.#limits, admit: this.#options.admit },
      closed: (one) => this.#guests.delete(one),
      grew: () => this.#weigh(),
    });
    this.#guests.add(guest);
  }

  async #broadcast(events: AsyncIterableIterator<AgentEvent>): Promise<void> {
    try {
      for await (const event of events) if (this.#guests.size > 0) this.#tell(event);
    } catch {
      await this.#leave(); // the messenger broke, and its user hears why; others may do better
    }
  }

  #tell(event: AgentEvent): void {
    const bytes = frame('event', { bytes: encodeEvent(event) });
    for (const guest of this.#guests) guest.tell(bytes);
  }

  #weigh(): void {
    const all = [...this.#guests];
    const sum = all.reduce((bytes, { waiting }) => bytes + waiting, 0);
    if (sum <= this.#limits.all) return;
    all.reduce((most, each) => (each.waiting > most.waiting ? each : most)).drop();
  }

  #look(): void {
    for (const guest of this.#guests) if (guest.isStuck()) guest.drop();
  }
}
