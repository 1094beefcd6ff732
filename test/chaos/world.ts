// One world of the chaos rig: a relay, its clients and the ledger. The relay lives, is ended in some
// way, and starts again on the same directory; from time to time all is quiet and accounts are settled.

import { setMaxListeners } from 'node:events';
import { withResolvers } from '../../src/lib/queue.ts';
import { Chance } from '../model/chance.ts';
import { newKeys, Peer } from '../peer.ts';
import { Client, nap, type Visit } from './client.ts';
import { Ledger, type Violation } from './ledger.ts';
import { type Fate, Network } from './network.ts';
import { type Life, RelayPlace } from './relay.ts';
import type { End, Scenario } from './scenarios.ts';
import type { Person } from './session.ts';
import { type Spread, spread } from './spread.ts';
import { Tunnel } from './tunnel.ts';

export interface WorldOptions {
  readonly seed: number;
  /** Ends after so many kills, when given … */
  readonly kills?: number | undefined;
  /** … or after so many seconds … */
  readonly seconds: number;
  /** … but not before so many lives of the relay, however slow the machine is. */
  readonly lives?: number | undefined;
  readonly root?: string | undefined;
}

export interface Outcome {
  readonly scenario: string;
  readonly seed: number;
  readonly seconds: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly times: Readonly<Record<string, Spread>>;
  readonly violations: readonly Violation[];
}

const CALM_MS = 60_000; // a relay that has not emptied its queues by then hangs
const ARRIVAL_MS = 1_000; // everybody may be absent
const START_MS = 400; // what the start of a relay takes where the times of scenarios.ts are meant
const CEILING_MS = 120_000; // for a whole life of a relay, from its start to the next

interface Going {
  readonly generation: number;
  readonly going: AbortController;
  readonly arrived: () => void;
}

export class World {
  readonly #scenario: Scenario;
  readonly #options: WorldOptions;
  readonly #chance: Chance;
  readonly #ledger: Ledger;
  readonly #place: RelayPlace;
  readonly #people: readonly Person[];
  readonly #clients: readonly Client[];
  #isToEnd = false;
  readonly #counts = { starts: 0, kills: 0, stops: 0, ownEnds: 0, calms: 0, troubles: 0, kept: 0 };
  readonly #times = {
    startMs: [] as number[],
    lifeMs: [] as number[],
    stopMs: [] as number[],
    cycleMs: [] as number[],
  };
  readonly #tunnel: Tunnel | null;
  #network: Network | null = null;
  #stage = 'begins'; // for who looks at a run that hangs

  constructor(scenario: Scenario, options: WorldOptions) {
    this.#scenario = scenario;
    this.#options = options;
    this.#chance = new Chance(options.seed);
    this.#ledger = new Ledger(scenario.durable ? { durable: true } : {});
    const { args = [], env, durable } = scenario;
    this.#tunnel = scenario.streams ? new Tunnel() : null;
    this.#place = new RelayPlace({
      args: durable ? [...args, '--durable'] : args,
      tunnel: this.#tunnel,
      root: options.root,
      ...(env ? { env } : {}),
    });
    const { clients, loose = 0, smudged = 0, habits, sure = () => true } = scenario;
    this.#people = Array.from({ length: clients }, (_, index) => ({
      index,
      keys: newKeys(),
      acks: index >= loose,
      smudged: index >= clients - smudged,
    }));
    this.#clients = this.#people.map(
      (me) =>
        new Client(me, {
          people: this.#people,
          ledger: this.#ledger,
          chance: new Chance(options.seed * 64 + me.index + 1),
          habits,
          sure,
        }),
    );
  }

  async run(): Promise<Outcome> {
    const began = performance.now();
    this.#network = await Network.listen(new Chance(this.#options.seed * 64));
    await this.#tunnel?.open();
    const seconds = () => (performance.now() - began) / 1_000;
    try {
      await this.#inTime(this.#life({ calm: true, quiet: true })); // everybody becomes known
      while (!this.#isDone(seconds())) await this.#inTime(this.#cycle());
      await this.#inTime(this.#life({ calm: true, quiet: true }));
    } catch (error) {
      this.#ledger.violation('crash', `${error instanceof Error ? error.message : error}`);
    } finally {
      await this.#network.close();
      await this.#tunnel?.close();
      this.#place.remove();
    }
    return this.#outcome(seconds());
  }

  /** Ends after this life, whatever it was told. */
  finish(): void {
    this.#isToEnd = true;
  }

  /** How far it is. */
  toString(): string {
    const { starts, kills, stops } = this.#counts;
    const { sent, delivered, violations } = this.#ledger.counts;
    return `${this.#scenario.name} ${this.#stage}: ${starts} starts, ${kills} kills, ${stops} stops, ${sent} sent, ${delivered} delivered, ${violations} violations`;
  }

  async #inTime(work: Promise<void>): Promise<void> {
    let late: NodeJS.Timeout | undefined;
    const ceiling = new Promise<never>((_, reject) => {
      late = setTimeout(() => reject(new Error(`it hangs: ${this.#stage}`)), CEILING_MS);
    });
    await Promise.race([work, ceiling]).finally(() => clearTimeout(late));
  }

  #isDone(seconds: number): boolean {
    if (this.#ledger.counts.violations > 0) return true; // what follows from it is noise
    const { kills } = this.#options;
    if (this.#isToEnd) return true;
    if (kills !== undefined) return this.#counts.kills >= kills;
    return seconds >= this.#options.seconds && this.#counts.starts >= (this.#options.lives ?? 0);
  }

  async #cycle(): Promise<void> {
    const began = performance.now();
    const { killStartOneIn = 0, calmOneIn } = this.#scenario;
    if (killStartOneIn > 0 && this.#chance.oneIn(killStartOneIn)) await this.#killStart();
    else await this.#life({ calm: this.#chance.oneIn(calmOneIn), quiet: false });
    this.#times.cycleMs.push(performance.now() - began);
  }

  /** Killed while it starts: what a relay does there must be as safe as the rest. */
  async #killStart(): Promise<void> {
    this.#counts.starts++;
    this.#counts.kills++;
    await this.#place.startAndKill(this.#chance.below(300));
  }

  /** One life of the relay: busy or quiet, with accounts settled at its end or not. */
  async #life({ calm, quiet }: { calm: boolean; quiet: boolean }): Promise<void> {
    this.#stage = 'starts';
    const life = await this.#place.start();
    this.#stage = 'lives';
    const generation = ++this.#counts.starts;
    this.#times.startMs.push(life.startMs);
    if (this.#network) this.#network.target = life.port;
    const going = new AbortController();
    setMaxListeners(0, going.signal); // every nap of every client is one
    let crashed = false;
    life.crashed.then((said) => {
      crashed = true;
      if (this.#scenario.mayEnd?.test(said)) this.#counts.ownEnds++;
      else this.#ledger.violation('crash', said);
      this.#ledger.ended(generation, 'killed');
      going.abort('dead');
    });
    const { promise: arrival, resolve: arrived } = withResolvers<void>();
    const busy = quiet ? Promise.resolve() : this.#busy(life, { generation, going, arrived });
    if (!quiet) await this.#live(life, going.signal, arrival);
    if (calm && !crashed) {
      going.abort('calm');
      this.#network?.clear();
      this.#stage = 'becomes calm';
      await busy;
      this.#stage = 'is calm';
      await this.#calm(life, generation);
    }
    this.#stage = 'ends';
    if (!crashed) await this.#end(life, { generation, end: quiet ? 'stop' : this.#howToEnd() });
    going.abort('dead');
    this.#network?.clear();
    this.#stage = 'has ended, and clients leave';
    await busy;
    this.#counts.kept = Math.max(this.#counts.kept, this.#ledger.size);
  }

  /**
   * Its time runs from the first login; now and then from the start, so that logins are hit too. Where
   * relays start slowly everything is slow, and a life is to be as full as elsewhere.
   */
  async #live({ startMs }: Life, over: AbortSignal, arrival: Promise<void>): Promise<void> {
    if (!this.#chance.oneIn(5)) await Promise.race([arrival, nap(ARRIVAL_MS, over)]);
    const [least, most] = this.#scenario.lifeMs;
    const pace = Math.max(1, startMs / START_MS);
    const ms = Math.round((least + this.#chance.below(most - least + 1)) * pace);
    this.#times.lifeMs.push(ms);
    await nap(ms, over);
  }

  /** Everybody at work, and what troubles them. */
  async #busy(life: Life, { generation, going, arrived }: Going): Promise<void> {
    const over = going.signal;
    const { trouble } = this.#scenario;
    const chance = this.#chance;
    const file = (name: string) => this.#place.file(name);
    const count = () => {
      this.#counts.troubles++;
    };
    await Promise.all([
      trouble?.({ life, chance, over, file, count }),
      ...this.#clients.map((each) =>
        each.visit({ generation, dial: () => this.#dial(life, each.me.smudged), over, arrived }),
      ),
    ]);
  }

  /** Through the proxy where the scenario has a fate for the connection. */
  async #dial(life: Life, smudged: boolean): Promise<Peer> {
    const fate: Fate | null = this.#scenario.fate?.(this.#chance, smudged) ?? null;
    if (!fate || !this.#network) return Peer.connect(life.port);
    const peer = await Peer.connect(this.#network.port);
    this.#network.destine(peer.socket.localPort ?? 0, fate);
    return peer;
  }

  #howToEnd(): End {
    return this.#chance.pick(this.#scenario.ends) as End;
  }

  async #end(life: Life, { generation, end }: { generation: number; end: End }): Promise<void> {
    const signal = end === 'kill' ? 'SIGKILL' : this.#chance.oneIn(2) ? 'SIGTERM' : 'SIGINT';
    const patience = end === 'stop-kill' ? this.#chance.below(40) : undefined;
    const began = performance.now();
    const { code, signal: by, stderr } = await life.end(signal, patience);
    const stopped = code === 0;
    if (stopped) this.#counts.stops++;
    else this.#counts.kills++;
    if (stopped) this.#times.stopMs.push(performance.now() - began);
    if (!stopped && end === 'stop')
      this.#ledger.violation('crash', `stopped with ${code ?? by}: ${stderr.slice(-2_000)}`);
    this.#ledger.ended(generation, stopped ? 'stopped' : 'killed');
  }

  /**
   * Twice everybody logs in and takes what is his. Behind the first time no older connection is left
   * that could still bring a Message; behind the second nothing can be under way.
   */
  async #calm(life: Life, generation: number): Promise<void> {
    const over = AbortSignal.timeout(CALM_MS);
    setMaxListeners(0, over);
    const visit: Visit = { generation, dial: () => Peer.connect(life.port), over };
    for (let round = 0; round < 2; round++) {
      const sessions = await Promise.all(this.#clients.map((each) => each.drain(visit)));
      if (round === 1) this.#ledger.settle();
      for (const session of sessions) session?.leave('fin');
      await Promise.all(sessions.map((session) => session?.closed));
      sessions.forEach((session, i) => {
        if (!session)
          this.#ledger.violation('hang', `client ${i} cannot log in and empty its queue`);
      });
    }
    this.#counts.calms++;
  }

  #outcome(seconds: number): Outcome {
    return {
      scenario: this.#scenario.name,
      seed: this.#options.seed,
      seconds,
      counts: { ...this.#counts, ...this.#ledger.counts, ...this.#network?.counts },
      times: Object.fromEntries(
        Object.entries(this.#times).map(([name, values]) => [name, spread(values)]),
      ),
      violations: this.#ledger.violations,
    };
  }
}
