// What a flood does to others: two users talk at a steady pace over a real relay with default limits,
// while another process opens bad connections as fast as it can. Quiet and flooded rounds alternate. In
// rounds aside the same flood goes to another server of this machine: what it costs the two users then is
// the machine's doing, and not the relay's.

import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { newIdentity } from '../src/crypto/identity.ts';
import { parseAddress } from '../src/lib/address.ts';
import { protocols } from '../src/protocols/index.ts';
import type { Link } from '../src/protocols/protocol.ts';
import type { Done, Order } from './flooder.ts';
import { median, type Report } from './measure.ts';

const ROUNDS = 5;
const ROUND_MS = 5_000;
const WARM_ROUNDS = 3; // until the compilers are done
const SETTLE_MS = 1_500;
const PACE_MS = 5; // 200 Messages a second
const RATE = 10_000;
const LIMIT_RATIO = 2;
// For how long the flooder keeps who is silent.
const KINDS = { held: 60_000, short: 300, aside: 300 } as const;
// Closes what comes, at once, with the priority of the relay's porter.
const SINK = `
  require('os').setPriority(10);
  const server = require('net').createServer();
  Object.defineProperty(server, 'maxConnections', { get: () => -1 });
  server.listen(0, '127.0.0.1', 4096, () => console.log(server.address().port));`;

type Kind = 'quiet' | keyof typeof KINDS;

interface Round {
  readonly p50: number;
  readonly p99: number;
  readonly lost: number;
  readonly flood: Done | null;
  readonly relayCpu: number; // share of a core
}

async function line(child: ChildProcess): Promise<string> {
  let text = '';
  while (!text.includes('\n'))
    text += (await once(child.stdout as NodeJS.ReadableStream, 'data'))[0];
  return text;
}

/** Seconds of processor time that a process has used. */
function cpuOf(pid: number | undefined): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** One-way times of Messages at a steady pace, in milliseconds. */
async function talk(from: Link, to: Link, milliseconds: number) {
  const times: number[] = [];
  const count = Math.floor(milliseconds / PACE_MS);
  const deliveries = to.deliveries();
  const received = (async () => {
    while (times.length < count) {
      const { value, done } = await deliveries.next();
      if (done) break;
      times.push(performance.now() - Buffer.from(value.envelope).readDoubleLE(0));
      value.done();
    }
  })();
  const began = performance.now();
  const envelope = Buffer.alloc(256);
  for (let n = 0; n < count; n++) {
    const wait = began + n * PACE_MS - performance.now();
    if (wait > 0) await sleep(wait);
    envelope.writeDoubleLE(performance.now());
    from.send(to.self.key, envelope);
  }
  await Promise.race([received, sleep(5_000)]);
  return { times: times.sort((a, b) => a - b), lost: count - times.length };
}

async function dialAll(address: string): Promise<[Link, Link]> {
  const { host, port } = parseAddress(address);
  const pins = { get: () => null, add: async (_: string, hex: string) => hex };
  const dial = () =>
    protocols.flexim.dial({ host, port, pins, identity: newIdentity(), reconnect: null });
  return [await dial(), await dial()];
}

/**
 * Real floods come from other machines: the flooder gets a core, relay and users the others, and the
 * porter is where the system puts it. False where that cannot be done; then the flooder's own work is
 * measured, too.
 */
function keepApart(flooder: number | undefined, others: readonly (number | undefined)[]): boolean {
  const last = availableParallelism() - 1;
  if (last < 1) return false;
  const pin = (pid: number | undefined, where: string) =>
    spawnSync('taskset', ['-a', '-p', '-c', where, `${pid}`], { stdio: 'ignore' }).status === 0;
  return [pin(flooder, `${last}`), ...others.map((pid) => pin(pid, `0-${last - 1}`))].every(
    Boolean,
  );
}

export async function flood(): Promise<Report[]> {
  const home = await mkdtemp(join(tmpdir(), 'flexim-bench-'));
  const relay = spawn(
    process.execPath,
    [join(import.meta.dirname, '../bin/flexim-relay'), '--port', '0', '--keys', join(home, 'keys')],
    {
      env: { ...process.env, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home },
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const flooder = fork(join(import.meta.dirname, 'flooder.ts'), { execArgv: ['--import', 'tsx'] });
  const links: Link[] = [];
  let pinned = false;
  const sink = spawn(process.execPath, ['-e', SINK], { stdio: ['ignore', 'pipe', 'ignore'] });
  const rounds: Record<Kind, Round[]> = { quiet: [], held: [], short: [], aside: [] };
  try {
    const address = (await line(relay)).trim();
    links.push(...(await dialAll(address)));
    const [a, b] = links as [Link, Link];
    pinned = keepApart(flooder.pid, [relay.pid, process.pid]);
    for (let i = 0; i < WARM_ROUNDS; i++) await talk(a, b, ROUND_MS);
    const ports = { relay: parseAddress(address).port, sink: Number(await line(sink)) };
    const round = async (kind: Kind): Promise<Round> => {
      const port = kind === 'aside' ? ports.sink : ports.relay;
      if (kind !== 'quiet') flooder.send({ port, rate: RATE, holdMs: KINDS[kind] } satisfies Order);
      await sleep(SETTLE_MS);
      const [cpu, began] = [cpuOf(relay.pid), performance.now()];
      const { times, lost } = await talk(a, b, ROUND_MS);
      const relayCpu = (cpuOf(relay.pid) - cpu) / ((performance.now() - began) / 1_000);
      let done: Done | null = null;
      if (kind !== 'quiet') {
        flooder.send(null as never);
        [done] = (await once(flooder, 'message')) as [Done];
        await sleep(SETTLE_MS);
      }
      const at = (share: number) => times[Math.floor(times.length * share)] as number;
      return { p50: at(0.5), p99: at(0.99), lost, flood: done, relayCpu };
    };
    for (let i = 0; i < ROUNDS; i++)
      for (const kind of ['quiet', 'held', 'quiet', 'short', 'quiet', 'aside'] as const)
        rounds[kind].push(await round(kind));
  } finally {
    relay.kill('SIGTERM');
    flooder.disconnect();
    sink.kill('SIGKILL');
    await Promise.race([once(relay, 'exit'), sleep(9_000)]);
    relay.kill('SIGKILL');
    await Promise.all(links.map((link) => link.close()));
    rmSync(home, { recursive: true, force: true });
  }
  return [report(rounds, pinned)];
}

function report(rounds: Record<Kind, Round[]>, pinned: boolean): Report {
  const of = (kind: Kind, what: (round: Round) => number) => median(rounds[kind].map(what));
  const quiet = of('quiet', ({ p99 }) => p99);
  const lines = (['quiet', 'held', 'short', 'aside'] as const).map((kind) => {
    const p99s = rounds[kind].map(({ p99 }) => p99);
    const done = (what: (flood: Done) => number) =>
      of(kind, ({ flood }) => (flood ? what(flood) : 0));
    const rate = done(({ opened, seconds }) => opened / seconds);
    const challenges = done(({ answered, seconds }) => answered / seconds);
    const cost = done(({ cpuSeconds, seconds }) => cpuSeconds / seconds);
    return (
      `  ${kind.padEnd(6)} p50 ${of(kind, ({ p50 }) => p50).toFixed(3)}  p99 ${of(kind, ({ p99 }) => p99).toFixed(3)} ` +
      `(${Math.min(...p99s).toFixed(2)}–${Math.max(...p99s).toFixed(2)})  relay ${(100 * of(kind, ({ relayCpu }) => relayCpu)).toFixed(0)} % of a core` +
      (kind === 'quiet'
        ? ''
        : `; ${rate.toFixed(0)} bad connections/s, ${challenges.toFixed(0)} challenges/s, flooder ${(100 * cost).toFixed(0)} %`)
    );
  });
  const ratio = (kind: Kind) => of(kind, ({ p99 }) => p99) / quiet;
  const ratios = [ratio('held'), ratio('short')];
  const lost = Object.values(rounds)
    .flat()
    .reduce((sum, round) => sum + round.lost, 0);
  const title = 'flood: 200 Messages/s between two users, while others flood';
  const text = [
    `${title}, ms: medians of rounds (p99: min–max)${pinned ? '; flooder on a core of its own' : ''}`,
    ...lines,
    `  p99 with the flood / without: held ${ratios[0]?.toFixed(2)}, short ${ratios[1]?.toFixed(2)}, aside ${ratio('aside').toFixed(2)} (limit ${LIMIT_RATIO}); lost ${lost}`,
  ].join('\n');
  const bounds = [
    { what: 'flood: no Message is lost', kept: lost === 0 },
    {
      what: `flood: p99 moves by less than ${LIMIT_RATIO}`,
      kept: Math.max(...ratios) < LIMIT_RATIO,
    },
  ];
  return { title, text, data: rounds, bounds };
}
