// flexim commstream: an encrypted netcat, line by line. A line of stdin is a message, a message a line on
// stdout. Which key, and which encryption, is said on stderr.

import { formatAddress, hostAndPort } from '../../lib/address.ts';
import { fromHex, toHex } from '../../lib/bytes.ts';
import { type ErrorCode, FleximError } from '../../lib/errors.ts';
import { withResolvers } from '../../lib/queue.ts';
import { presentable } from '../../lib/text.ts';
import { CommStream, type Outcome } from '../../protocols/commstream/index.ts';
import type { COMMSTREAM, Context } from '../command.ts';
import { openPins, tell } from '../profile.ts';
import { readRelay } from '../transports.ts';

const MAX_LINE = 1_048_000;

type Settings = Context<typeof COMMSTREAM>['settings'];

export async function commstream({ settings, args }: Context<typeof COMMSTREAM>): Promise<void> {
  const port = settings.listen === null ? null : portOf(settings.listen);
  if ((port === null) === (args.server === undefined))
    throw new FleximError('usage', 'either --listen PORT, or the HOST:PORT of a server');
  const stream =
    port === null ? await connect(settings, args.server as string) : await serve(settings, port);
  const stop = (signal: NodeJS.Signals) => {
    void stream.close().finally(() => process.kill(process.pid, signal));
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  try {
    const { promise: somebody, resolve: came } = withResolvers<void>();
    const talking = somebody.then(() => talk(stream, port === null));
    await Promise.race([hear(stream, came), talking.then(() => new Promise(() => {}))]);
  } finally {
    await stream.close();
    process.stdin.destroy(); // a terminal would be waited for
  }
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Infinity;
  if (port > 65_535)
    throw new FleximError('usage', '--listen: want a port, from 0 to 65535; --host is the address');
  return port;
}

async function connect(settings: Settings, server: string): Promise<CommStream> {
  const { host, port, relayKey } = readRelay(server, 'commstream');
  const place = hostAndPort({ host, port });
  const known = relayKey ?? openPins(settings).get(place);
  const serverKey = known === null ? null : fromHex(known, 32);
  const stream = new CommStream(serverKey ? { serverKey } : {});
  choose(stream, settings);
  const outcome = await stream.connect(host, port);
  if (outcome !== 'ok') throw failure(outcome, place);
  return stream;
}

async function serve(settings: Settings, port: number): Promise<CommStream> {
  const stream = new CommStream();
  choose(stream, settings);
  const { host } = settings;
  const outcome = await stream.listen(host, port);
  if (outcome !== 'ok') throw failure(outcome, hostAndPort({ host, port }));
  const relayKey = toHex(stream.publicKey);
  const at = stream.address ?? { host, port };
  tell(
    `listening; the key in this address is new at each start: ${formatAddress({ ...at, relayKey, transport: 'commstream' })}`,
  );
  return stream;
}

function choose(stream: CommStream, settings: Settings): void {
  stream.setEncryptionScheme(settings.scheme, !settings['insecure-plaintext']);
}

/** Lines of stdin to everybody; a client has nothing more to say than they have. */
async function talk(stream: CommStream, isClient: boolean): Promise<void> {
  let outcome: Outcome = 'ok';
  for await (const line of lines(process.stdin)) {
    outcome = await stream.send(line, { important: true });
    if (outcome !== 'ok') tell(`a line was not sent: ${outcome}`);
  }
  if (isClient) await stream.disconnect();
}

/** Until the server, or the last who came, has gone; `came` hears of the first. */
async function hear(stream: CommStream, came: () => void): Promise<void> {
  for (;;) {
    const { kind, id, message, outcome, scheme } = await stream.receive();
    if (kind === 'closed') return;
    if (kind === 'message') await show(message);
    if (kind === 'connected') tell(connectedWords(stream, id, scheme ?? ''));
    if (kind === 'connected') came();
    if (kind === 'refused') tell(`somebody came, and it could not be negotiated: ${outcome}`);
    if (kind !== 'disconnected') continue;
    if (outcome !== 'ok') throw failure(outcome, id === 0 ? 'the server' : `visitor ${id}`);
    if (!stream.connected()) return;
  }
}

function connectedWords(stream: CommStream, id: number, scheme: string): string {
  const who = id === 0 ? 'connected' : `visitor ${id} is here`;
  if (scheme === 'plain') return `${who}: plain, NOT ENCRYPTED`;
  const key = id === 0 ? stream.agreement()?.serverKey : null;
  return `${who}, encrypted: ${scheme}${key ? `, server key ${toHex(key)}` : ''}`;
}

/** Bytes as they are for a program; for a terminal only what it does not obey. */
function show(message: Uint8Array): Promise<void> {
  const bytes = Buffer.from(message);
  const shown = process.stdout.isTTY ? presentable(bytes.toString('utf8')) : bytes;
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null) => (error ? reject(error) : resolve());
    process.stdout.write(shown);
    process.stdout.write('\n', done);
  });
}

async function* lines(input: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0);
  for await (const chunk of input) {
    rest = Buffer.concat([rest, chunk]);
    let from = 0;
    for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10, from)) {
      yield rest.subarray(from, at);
      from = at + 1;
    }
    rest = rest.subarray(from);
    for (; rest.length > MAX_LINE; rest = rest.subarray(MAX_LINE)) yield rest.subarray(0, MAX_LINE);
  }
  if (rest.length > 0) yield rest;
}

const CODES: Readonly<Partial<Record<Outcome, ErrorCode>>> = {
  'bad-handshake': 'bad-handshake',
  'bad-record': 'bad-record',
  'timed-out': 'login-timeout',
  truncated: 'truncated',
  'unsupported-encryption': 'unsupported-encryption',
  'wrong-server-key': 'relay-key-changed',
};

const WORDS: Readonly<Partial<Record<Outcome, string>>> = {
  'bad-handshake': 'the encryption could not be negotiated. Is that a CommStream port?',
  'bad-record': 'what came is not what was sent: somebody changed it on the way',
  refused: 'nothing listens there, or this machine does not let us',
  'timed-out': 'no answer in time',
  truncated: 'the connection ended without a word: more may have been on its way',
  'unsupported-encryption': 'there is no encryption scheme that both sides accept',
  'wrong-server-key': 'the server has another key than the one that is known',
};

function failure(outcome: Outcome, place: string): FleximError {
  return new FleximError(
    CODES[outcome] ?? 'relay-unreachable',
    `${place}: ${WORDS[outcome] ?? outcome}`,
  );
}
