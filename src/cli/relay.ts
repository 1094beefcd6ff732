// flexim-relay: settings, key, store, listener, signals.

import { hostname, networkInterfaces } from 'node:os';
import { identityFromSeed } from '../crypto/identity.ts';
import { senderTags } from '../crypto/tags.ts';
import { findKeysDirectory } from '../keystore/directory.ts';
import { Keys } from '../keystore/keys.ts';
import { type Address, formatAddress, isLoopback } from '../lib/address.ts';
import { FleximError, isFleximError } from '../lib/errors.ts';
import { type Clock, systemClock } from '../lib/time.ts';
import type { TcpAddress } from '../net/tcp.ts';
import { protocols } from '../protocols/index.ts';
import type { Opening } from '../protocols/protocol.ts';
import { type Limits, liveLimits } from '../relay/limits.ts';
import { createRelay, type Relay, type RosterPolicy } from '../relay/relay.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { connectionsWithin, openFiles } from './descriptors.ts';
import { outliveReaders, report } from './exit.ts';
import { changed, LIMIT_OPTIONS, limitsOf } from './limits.ts';
import { createLog, LOG_LEVELS, type LogLevel } from './log.ts';
import { checkValues, declare, type Options, type Settings, settle } from './options.ts';
import { parser } from './parser.ts';
import { configFile, dataHome } from './places.ts';
import { PorterDoor } from './porter/door.ts';
import { checkNews, opening, STORE_NAME, storeDirectory } from './store.ts';
import { type CommstreamWay, commstreamWay } from './ways.ts';
import { Crew, MAX_WORKERS } from './workers/crew.ts';
import { boundYoung } from './young.ts';

const NAME = 'flexim-relay';
const STOP_MS = 4_000; // a stop that takes so much longer than clients may is a hang
const MAX_TIMER_MS = 2 ** 31 - 1;

const OPTIONS = {
  port: {
    type: 'number',
    about: 'TCP port to listen on; 0 takes a free one',
    default: 4321,
    max: 65_535,
  },
  'commstream-port': {
    type: 'number',
    about: 'TCP port for CommStream, which hides all but sizes; 0 takes a free one',
    max: 65_535,
  },
  'insecure-plaintext': {
    type: 'boolean',
    about: 'let clients of that port do without encryption',
    default: false,
  },
  host: {
    type: 'string',
    about: 'address to listen on; 0.0.0.0 or :: for all',
    default: '127.0.0.1',
  },
  name: {
    type: 'string',
    about: 'what the relay calls itself, in 64 characters at most',
    max: 64,
    default: 'flexim relay',
  },
  keys: { type: 'string', about: "directory of the relay's key, relay.fxk" },
  data: { type: 'string', about: 'directory of the store' },
  roster: {
    type: 'string',
    about: 'who is listed: users who registered an alias, or nobody',
    choices: ['listed', 'none'],
    default: 'listed',
  },
  workers: {
    type: 'number',
    about:
      'processes that encrypt for CommStream, on a machine with cores to spare; 0: the relay does so itself',
    default: 0,
    max: MAX_WORKERS,
  },
  durable: {
    type: 'boolean',
    about: 'put every message on the disk before it is delivered',
    default: false,
  },
  'log-level': {
    type: 'string',
    about: 'least urgent log lines to write to stderr',
    choices: LOG_LEVELS,
    default: 'info',
  },
} as const satisfies Options;

type RelaySettings = Settings<typeof OPTIONS> & Readonly<Record<string, unknown>>;
export const ALL_OPTIONS: Options = { ...OPTIONS, ...LIMIT_OPTIONS };

export { run } from './exit.ts';

export async function main(args: readonly string[]): Promise<void> {
  if (args[0] === 'db') return (await import('./db.ts')).main(args.slice(1), ALL_OPTIONS);
  checkValues(args, ALL_OPTIONS);
  const argv = declare(parser(NAME, args), ALL_OPTIONS)
    .usage(
      '$0 [options]\n$0 db <command> [options]\n\nRuns a flexim relay. It forwards messages that it cannot read.',
    )
    .epilogue(
      'Settings come from flags, then FLEXIM_… variables, then relay.toml, then the defaults.\n' +
        'SIGTERM stops it gently, a second one at once; SIGHUP reads the settings again\n' +
        '(name, roster, log-level and most limits take effect). docs/operations.md explains\n' +
        'every limit.\n' +
        `${NAME} db looks after the store: numbers, backup, damage; see ${NAME} db --help.`,
    )
    .demandCommand(0, 0, '', 'It takes options only');
  const flags = await argv.parseAsync();
  if (flags.help || flags.version) return;
  const read = () =>
    settle(ALL_OPTIONS, {
      flags,
      env: process.env,
      file: configFile(process.env, 'relay.toml'),
    }) as RelaySettings;
  await start(read);
}

async function start(read: () => RelaySettings): Promise<void> {
  outliveReaders();
  boundYoung();
  const settings = read();
  const log = createLog(settings['log-level'] as LogLevel, process.stderr.isTTY);
  const limits = withinDescriptors(limitsOf(settings), log);
  // They start while the store is opened.
  const crew = new Crew({ workers: workersOf(settings), limits, log });
  const door = new PorterDoor({ limits, log });
  try {
    await serve({ settings, read, log, limits, door, crew });
  } catch (error) {
    door.end();
    await crew.end();
    throw error;
  }
}

function workersOf({ workers, 'commstream-port': port }: RelaySettings): number {
  if (workers === 0 || port !== null) return workers;
  throw new FleximError(
    'usage',
    '--workers encrypt for CommStream: add --commstream-port, or leave them out',
  );
}

interface Starting {
  readonly settings: RelaySettings;
  readonly read: () => RelaySettings;
  readonly log: ReturnType<typeof createLog>;
  readonly limits: Limits;
  readonly door: PorterDoor;
  readonly crew: Crew;
}

async function serve({ settings, read, log, limits, door, crew }: Starting): Promise<void> {
  const home = dataHome(process.env);
  const keysPlace = findKeysDirectory({ flag: settings.keys, cwd: process.cwd(), dataHome: home });
  const key = await new Keys(keysPlace.path).relayKey();
  const data = storeDirectory(settings.data);
  const news = checkNews((text, fields) => log.info(fields, text));
  const store = await openStore(data, STORE_NAME, opening(data, news));
  const clock: Clock = systemClock;
  const identity = identityFromSeed(key.content.seed);
  const relay = createRelay({
    name: settings.name,
    roster: settings.roster as RosterPolicy,
    store,
    limits,
    clock,
    log,
    durable: settings.durable,
    tagOf: senderTags(identity),
    broken: (error) => {
      // After a failed write nobody knows what is on the disk: the next start looks.
      log.error({ err: error }, 'the store failed; the relay ends');
      process.exitCode = report(NAME, error);
      process.kill(process.pid, 'SIGKILL');
    },
  });
  try {
    const { host, port } = settings;
    door.shut = relay.shut;
    door.drops = relay.drops;
    crew.drops = relay.drops;
    const secured: TcpAddress[] = []; // one, if CommStream is asked for
    const opened = (at: TcpAddress) => secured.push(at);
    const service = await protocols.flexim.serve({
      ...{ host, port, relay, identity, door },
      lobby: door.lobby(identity.exchange),
      others: otherWays(door, settings, { relay, identity, opened, crew }),
    });
    await crew.ready();
    // Before the address is out: who has it may send signals at once.
    const stop = async () => {
      await service.stop();
      door.end();
      await crew.end();
      await store.close();
      log.info({ drops: relay.drops.totals() }, 'stopped');
    };
    obeySignals({ relay, limits, door, crew, store, read, log, stop });
    const made = key.made ? 'made a new key' : 'using the key';
    log.info({ path: key.path, from: keysPlace.why }, made);
    log.info({ ...service.address, store: store.path }, 'listening');
    const reached = { host: reachableHost(host), port: service.address.port };
    say({ ...reached, relayKey: identity.hex });
    for (const { port: at } of secured) {
      log.info({ host, port: at }, 'listening for CommStream');
      say({ ...reached, port: at, relayKey: identity.hex, transport: 'commstream' });
      if (settings['insecure-plaintext'])
        log.warn({}, 'clients of CommStream may do without encryption (--insecure-plaintext)');
    }
    if (isLoopback(host))
      log.info({}, 'reachable from this machine only; to let others in: --host 0.0.0.0');
    else if (reached.host !== host)
      log.info({}, 'put a name or address of this machine that others can reach into the address');
  } catch (error) {
    await store.close();
    throw error;
  }
}

type Way = Pick<CommstreamWay, 'relay' | 'identity' | 'opened' | 'crew'>;

function otherWays(door: PorterDoor, settings: RelaySettings, way: Way): Opening[] {
  const { host, port, 'commstream-port': second, 'insecure-plaintext': insecure } = settings;
  if (second === null) return [];
  if (second === port && port !== 0)
    throw new FleximError('usage', '--port and --commstream-port must differ');
  return [commstreamWay(door, { ...way, host, port: second, insecurePlaintext: insecure })];
}

function say(address: Partial<Address> & TcpAddress): void {
  process.stdout.write(`${formatAddress(address)}\n`);
}

/** Nobody can dial "all addresses": then the first address of this machine stands in the result. */
export function reachableHost(host: string, interfaces = networkInterfaces()): string {
  if (host !== '0.0.0.0' && host !== '::') return host;
  const outward = Object.values(interfaces).flatMap((all) => all?.filter((one) => !one.internal));
  const first = outward.find((one) => one?.family === 'IPv4') ?? outward[0];
  return first?.address ?? hostname();
}

interface Running {
  readonly relay: Relay;
  limits: Limits; // as set, where 0 is no limit
  readonly door: PorterDoor;
  readonly crew: Crew;
  readonly store: Store;
  readonly read: () => RelaySettings;
  readonly log: ReturnType<typeof createLog>;
  readonly stop: () => Promise<void>;
}

/** Fewer connections than asked for, where the system would not give as many descriptors. */
function withinDescriptors(limits: Limits, log: Running['log']): Limits {
  const files = openFiles();
  const most = files === null ? Infinity : connectionsWithin(files);
  if (limits.connections !== 0 && limits.connections <= most) return limits;
  if (most === Infinity) return limits;
  log.warn(
    { openFiles: files, wanted: limits.connections, connections: most },
    'fewer connections than --connections: the limit of open files is too low; ' +
      'raise it (LimitNOFILE= of systemd, or ulimit -n) to 64 more than --connections',
  );
  return { ...limits, connections: most };
}

function obeySignals(running: Running): void {
  const { relay, store, log, stop } = running;
  let stopping: NodeJS.Signals | null = null;
  const end = (code: number) => {
    // Two ways of exiting hang or abort in native code: with LMDB's writer at work, and with a
    // terminal that is gone. What is durable is on the disk, so killing loses nothing.
    if (store.isBusy || stopping === 'SIGHUP') process.kill(process.pid, 'SIGKILL');
    process.exit(code);
  };
  const onStop = (signal: NodeJS.Signals) => {
    if (stopping) return end(1); // the second time: at once
    stopping = signal;
    log.info({ signal, online: relay.router.online }, 'stopping');
    const late = Math.min(relay.limits.drainMs + STOP_MS, MAX_TIMER_MS);
    setTimeout(() => {
      log.error({}, 'the stop took too long');
      end(1);
    }, late).unref();
    stop().then(
      () => end(0),
      (error: unknown) => end(report(NAME, error)),
    );
  };
  process.on('SIGTERM', onStop);
  process.on('SIGINT', onStop);
  // On a terminal it means that the terminal was closed.
  const isForeground = process.stdin.isTTY || process.stderr.isTTY;
  process.on('SIGHUP', isForeground ? onStop : () => readAgain(running));
}

function readAgain(running: Running): void {
  const { relay, read, log } = running;
  try {
    const settings = read();
    relay.name = settings.name;
    relay.roster = settings.roster as RosterPolicy;
    log.level = settings['log-level'];
    const limits = withinDescriptors(limitsOf(settings), log);
    const { live, later } = changed(running.limits, limits);
    Object.assign(relay.limits, liveLimits(live));
    running.limits = { ...running.limits, ...live };
    running.door.limits(running.limits);
    running.crew.limits(running.limits);
    log.info({ name: relay.name, roster: relay.roster, limits: live }, 'read the settings again');
    if (later.length > 0) log.warn({ options: later }, 'these count from the next start only');
  } catch (error) {
    if (!isFleximError(error)) throw error;
    log.error({ code: error.code }, `the settings stay as they were: ${error.message}`);
  }
}
