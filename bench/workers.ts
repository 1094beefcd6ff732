// npm run bench -- workers: relays without workers, with one and with two, whose users come by CommStream. What a
// relay can do with a core for each of its processes is bounded by the busiest of them; a machine with two
// cores shows no more than what each process uses for a message, for a connection, and what the users use, who
// are all in this process and encrypt as well.

import { newIdentity } from '../src/crypto/identity.ts';
import { protocols } from '../src/protocols/index.ts';
import type { Link, Pins } from '../src/protocols/protocol.ts';
import { childrenNamed } from '../test/children.ts';
import { median, type Report } from './measure.ts';
import type { Options } from './options.ts';
import { Place, UNLIMITED } from './process.ts';
import { cpuOf, ownCpu } from './relay/time.ts';

const WORKERS = [0, 1, 2];
const PAIRS = 8;
const IN_FLIGHT = 64 * 1024; // bytes of each pair, or a message
const SIZES = [128, 1_024, 32_768];
const BYTES = 24 * 1024 * 1024; // of a run; of small messages as many as 20,000
const CONNECTIONS = 100;
const ROUNDS = 5;

const pins: Pins = { get: () => null, add: async (_, hex) => hex };

/** Microseconds of processor time for one. */
interface Times {
  readonly relay: number;
  readonly workers: number; // all of them
  readonly users: number;
}

interface Pair {
  readonly from: Link;
  readonly to: Link;
  came: () => void;
}

class Rival {
  readonly count: number;
  readonly #place = new Place();
  readonly pairs: Pair[] = [];
  #pid = 0;
  #port = 0;

  constructor(count: number) {
    this.count = count;
  }

  async open(): Promise<this> {
    const settings = { ...UNLIMITED, COMMSTREAM_PORT: '0', WORKERS: `${this.count}` };
    const { child } = await this.#place.relay(settings);
    this.#port = Number(/:(\d+)\?/.exec(await child.line())?.[1]);
    this.#pid = child.pid;
    for (let n = 0; n < PAIRS; n++) {
      const pair: Pair = { from: await this.dial(), to: await this.dial(), came: () => {} };
      void (async () => {
        for await (const { done } of pair.to.deliveries()) {
          done();
          pair.came();
        }
      })();
      this.pairs.push(pair);
    }
    return this;
  }

  async dial(): Promise<Link> {
    const identity = newIdentity();
    const link = await protocols.commstream.dial({
      ...{ host: '127.0.0.1', port: this.#port, identity, pins, reconnect: null },
    });
    void (async () => {
      for await (const _ of link.events());
    })();
    return link;
  }

  /** What so many of something cost. */
  async costs(of: number, work: () => Promise<void>): Promise<Times> {
    const workers = childrenNamed('worker', this.#pid);
    const used = () => [
      cpuOf(this.#pid) ?? Number.NaN,
      workers.reduce((sum, pid) => sum + (cpuOf(pid) ?? Number.NaN), 0),
      ownCpu(),
    ];
    const before = used();
    await work();
    const [relay = 0, all = 0, users = 0] = used().map(
      (after, n) => ((after - (before[n] as number)) / of) * 1e6,
    );
    return { relay, workers: all, users };
  }

  async end(): Promise<void> {
    await Promise.all(this.pairs.flatMap(({ from, to }) => [from.close(), to.close()]));
    await this.#place.end();
  }
}

/** So many messages through each pair, of which so many at a time are on their way. */
async function messages({ pairs }: Rival, each: number, size: number): Promise<void> {
  const envelope = Buffer.alloc(size, 7);
  const ahead = Math.max(1, Math.floor(IN_FLIGHT / size));
  await Promise.all(
    pairs.map(
      (pair) =>
        new Promise<void>((resolve) => {
          let [sent, came] = [0, 0];
          const send = () => {
            for (; sent < each && sent < came + ahead; sent++)
              pair.from.send(pair.to.self.key, envelope);
          };
          pair.came = () => {
            if (++came === each) resolve();
            else if (sent - came <= ahead / 2) send();
          };
          send();
        }),
    ),
  );
}

async function connections(rival: Rival, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await (await rival.dial()).close();
}

export async function workers({ progress }: Options): Promise<Report[]> {
  const rivals: Rival[] = [];
  try {
    for (const count of WORKERS) rivals.push(await new Rival(count).open());
    const rows: { what: string; rounds: Times[][] }[] = [];
    for (const size of SIZES) {
      const each = Math.ceil(Math.max(BYTES / size, 20_000 / (size > 8_192 ? 20 : 1)) / PAIRS);
      progress(`messages of ${size} bytes`);
      rows.push({
        what: `a message of ${size} bytes`,
        rounds: await inTurns(rivals, each * PAIRS, (rival) => messages(rival, each, size)),
      });
    }
    progress('connections');
    rows.push({
      what: 'a connection and its login',
      rounds: await inTurns(rivals, CONNECTIONS, (rival) => connections(rival, CONNECTIONS)),
    });
    return [report(rows)];
  } finally {
    await Promise.all(rivals.map((rival) => rival.end()));
  }
}

/** For each rival the times of all rounds; the first round is for the compilers. */
async function inTurns(
  rivals: readonly Rival[],
  of: number,
  work: (rival: Rival) => Promise<void>,
): Promise<Times[][]> {
  const times: Times[][] = rivals.map(() => []);
  for (let round = -1; round < ROUNDS; round++)
    for (const [n, rival] of rivals.entries()) {
      const cost = await rival.costs(of, () => work(rival));
      if (round >= 0) times[n]?.push(cost);
    }
  return times;
}

function report(rows: readonly { what: string; rounds: Times[][] }[]): Report {
  const medians = rows.map(({ what, rounds }) => ({
    what,
    times: rounds.map((times, n) => {
      const of = (value: (each: Times) => number) => median(times.map(value));
      const cost = { relay: of((each) => each.relay), workers: of((each) => each.workers) };
      const busiest = Math.max(cost.relay, cost.workers / Math.max(1, WORKERS[n] as number));
      return { ...cost, users: of((each) => each.users), busiest };
    }),
  }));
  const title = 'workers: microseconds of processor time, users by CommStream';
  const lines = medians.flatMap(({ what, times }) =>
    times.map(({ relay, workers: all, users, busiest }, n) => {
      const room = (times[0]?.busiest ?? Number.NaN) / busiest;
      const shown = [relay, all, users]
        .map((us) => us.toFixed(us < 100 ? 1 : 0).padStart(10))
        .join('');
      return `  ${what.padEnd(28)}${String(WORKERS[n]).padStart(7)}${shown}${room.toFixed(2).padStart(8)}`;
    }),
  );
  const text = [
    title,
    '  room: what the busiest process of the relay has time for, to that of a relay without workers, if each',
    '  process had a core (computed from the times beside it)',
    `  ${'for'.padEnd(28)}workers     relay   workers     users    room`,
    ...lines,
  ].join('\n');
  const kept = medians.every(({ times }) => (times[1]?.relay ?? 0) < (times[0]?.relay ?? 0));
  return {
    ...{ title, text, data: medians },
    bounds: [{ what: 'a worker takes work off the relay', kept }],
  };
}
