// flexim receive: what came, a message after the other, each read once it was written out, or with
// --ack-stdin once its id came back. What is not read comes again at the next receive.

import type { Message } from '../../client/events.ts';
import { FleximError } from '../../lib/errors.ts';
import { presentable } from '../../lib/text.ts';
import type { Agent } from '../agent/agent.ts';
import { wayOf } from '../agent/enclave.ts';
import { withAgent } from '../agent/use.ts';
import { shownTime, Watch } from '../agent/watch.ts';
import type { Context, RECEIVE } from '../command.ts';
import { Ids } from '../ids.ts';
import { write, writeJson } from '../output.ts';
import { keyOf, messageJson, messageText } from '../people.ts';
import { tell } from '../profile.ts';

type Receiving = Context<typeof RECEIVE>['settings'];

export async function receive({ settings }: Context<typeof RECEIVE>): Promise<void> {
  const work = async (agent: Agent) => {
    const watch = new Watch(agent); // before the first look, so that nothing falls in between
    const from = settings.from === null ? null : await keyOf(agent, settings.from);
    const reader = new Reader(watch, settings, from);
    try {
      if (settings.follow) await follow(watch, reader);
      else await fetch(watch, reader, settings.timeout);
    } finally {
      await reader.finish(); // what was shown counts, whatever came then
    }
  };
  await withAgent(settings, work, wayOf(settings));
}

/** What is here, and what the relay has kept. */
async function fetch(watch: Watch, reader: Reader, timeout: number): Promise<void> {
  const late = performance.now() + timeout;
  await reader.unread();
  for (;;) {
    await watch.connected(late);
    const { caughtUp } = await watch.agent.ask('status');
    if (caughtUp) return reader.unread();
    if (await watch.next(late)) continue;
    const time = shownTime(timeout);
    throw new FleximError('connection-lost', `the relay has not sent everything in ${time}`);
  }
}

/** Until nobody can acknowledge any more, or the messenger ends for good. */
async function follow(watch: Watch, reader: Reader): Promise<void> {
  await reader.unread();
  while (!reader.isOver) {
    const event = await watch.next(Number.POSITIVE_INFINITY).catch((error: unknown) => {
      if (reader.isOver) return null; // stdin ended, and the events with it: no error
      throw error;
    });
    if (!event) return;
    if (event.kind === 'message') await reader.show(event.message);
    if (event.kind === 'missed' || event.kind === 'moved') await reader.unread();
    if (event.kind !== 'down') continue;
    if (event.retryMs === null) throw event.error;
    tell(`not connected: ${presentable(event.error.message)}; trying again`);
  }
}

class Reader {
  readonly #agent: Agent;
  readonly #settings: Receiving;
  readonly #from: string | null;
  readonly #ids: Ids | null;
  /** By sender the place of the last one that was shown: an event that waits may bring one again. */
  readonly #shown = new Map<string, number>();
  readonly #noting = new Set<Promise<void>>();
  #failure: Error | null = null;

  constructor(watch: Watch, settings: Receiving, from: string | null) {
    this.#agent = watch.agent;
    this.#settings = settings;
    this.#from = from;
    this.#ids = settings['ack-stdin']
      ? new Ids(process.stdin, {
          came: (peer, id) => this.#read(peer, id),
          over: () => void watch.close(),
        })
      : null;
  }

  /** Nothing can be acknowledged any more. */
  get isOver(): boolean {
    return this.#ids?.isOver ?? false;
  }

  async unread(): Promise<void> {
    for (const message of await this.#agent.ask('unread')) await this.show(message);
  }

  async show(message: Message): Promise<void> {
    if (this.#failure) throw this.#failure;
    const { peer, id, order, outgoing } = message;
    if (outgoing || (this.#from !== null && peer !== this.#from)) return;
    if (order <= (this.#shown.get(peer) ?? -1)) return;
    this.#shown.set(peer, order);
    const contact = await this.#agent.ask('contact', peer);
    this.#ids?.expect(peer, id);
    if (this.#settings.json) await writeJson(messageJson(message, contact));
    else await write(messageText(message, contact));
    if (!this.#ids) this.#read(peer, id);
  }

  /** Waits for the ids that are still to come, and until all is noted. */
  async finish(): Promise<void> {
    const left = (await this.#ids?.finish()) ?? 0;
    if (left > 0) tell(`not acknowledged: ${left}; they come again at the next receive`);
    await Promise.all(this.#noting);
    if (this.#failure) throw this.#failure;
  }

  #read(peer: string, id: string): void {
    const noted = this.#agent
      .ask('read', peer, id)
      .catch((error) => {
        this.#failure ??= error;
      })
      .then(() => void this.#noting.delete(noted));
    this.#noting.add(noted);
  }
}
