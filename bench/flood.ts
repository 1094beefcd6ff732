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
import { parseAddress } from '../src/lib/address.ts';
import { childrenOf } from '../test/children.ts';
import type { Done, Order } from './flooder.ts';
import { median, type Report } from './measure.ts';
import type { Talked, Wish } from './users.ts';

const ROUNDS = 5;
const ROUND_MS = 5_000;
const WARM_ROUNDS = 3; // until the compilers are done
const SETTLE_MS = 1_500;
const RATE = 10_000;
const LIMIT_RATIO = 2;
// For how long the flooder keeps who is silent.
const KINDS = { held: 60_000, short: 300, aside: 300 } as const;
// Closes what comes, at once, with the priority of the relay's porter.
const SINK = `
  require('os').setPriority(15);
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

/** The answer of a process that was told something. */
async function asked<T>(child: ChildProcess, wish: unknown): Promise<T> {
  child.send(wish as never);
  const [answer] = await once(child, 'message');
  return answer as T;
}

type Party = 'relay' | 'flooder' | 'sink' | 'users';

/**
 * Floods come from other machines: the flooder has the last core, and idles when the kernel needs it. Relay and
 * porter, which are on trial, share another one, as on a machine that has but one; the users are there, too,
 * where the flood's own work is not in their way. False where that cannot be done; then that is measured as well.
 */
function keepApart({ relay, flooder, sink, users }: Record<Party, ChildProcess>): boolean {
  const last = availableParallelism() - 1;
  if (last < 1) return false;
  const [porter] = childrenOf(relay.pid as number);
  const set = (command: string, ...how: string[]) =>
    spawnSync(command, ['-a', ...how], { stdio: 'ignore' }).status === 0;
  const pin = (core: number, pid: number | undefined) =>
    set('taskset', '-p', '-c', `${core}`, `${pid}`);
  return [
    ...[relay.pid, porter, sink.pid, users.pid].map((pid) => pin(0, pid)),
    pin(last, flooder.pid),
    set('chrt', '--idle', '-p', '0', `${flooder.pid}`),
  ].every(Boolean);
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
  // Without helpers of the engine, which would take their core for milliseconds.
  const users = fork(join(import.meta.dirname, 'users.ts'), {
    execArgv: ['--single-threaded', '--import', 'tsx'],
  });
  const talk = (ms: number) => asked<Talked>(users, { ms } satisfies Wish);
  let pinned = false;
  const sink = spawn(process.execPath, ['-e', SINK], { stdio: ['ignore', 'pipe', 'ignore'] });
  const rounds: Record<Kind, Round[]> = { quiet: [], held: [], short: [], aside: [] };
  try {
    const address = (await line(relay)).trim();
    await asked(users, { address } satisfies Wish);
    pinned = keepApart({ relay, flooder, sink, users });
    for (let i = 0; i < WARM_ROUNDS; i++) await talk(ROUND_MS);
    const ports = { relay: parseAddress(address).port, sink: Number(await line(sink)) };
    const round = async (kind: Kind): Promise<Round> => {
      const port = kind === 'aside' ? ports.sink : ports.relay;
      if (kind !== 'quiet') flooder.send({ port, rate: RATE, holdMs: KINDS[kind] } satisfies Order);
      await sleep(SETTLE_MS);
      const [cpu, began] = [cpuOf(relay.pid), performance.now()];
      const { times, lost } = await talk(ROUND_MS);
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
    users.disconnect();
    sink.kill('SIGKILL');
    await Promise.race([once(relay, 'exit'), sleep(9_000)]);
    relay.kill('SIGKILL');
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
    `${title}, ms: medians of rounds (p99: min–max)${pinned ? '; relay, porter and users on one core, the flooder on another' : ''}`,
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
