// A TCP proxy that does what networks do: cuts connections at any byte, with FIN or RST, lets one
// direction freeze, slows it down, flips bits. Each connection meets its own fate, drawn from a seed.

import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Chance } from '../model/chance.ts';

export interface PipeFate {
  /** Cut behind so many bytes. */
  readonly cutAt?: number;
  readonly cut?: 'fin' | 'reset';
  /** Nothing flows for so long, behind so many bytes. */
  readonly freeze?: { readonly at: number; readonly ms: number };
  readonly bytesPerSecond?: number;
  /** One bit in so many bytes is flipped … */
  readonly flipOneIn?: number;
  /** … behind so many bytes. */
  readonly flipFrom?: number;
}

export interface Fate {
  readonly up?: PipeFate; // from the client to the relay
  readonly down?: PipeFate;
}

export interface ProxyCounts {
  connections: number;
  cuts: number;
  freezes: number;
  flips: number;
}

export class Network {
  readonly counts: ProxyCounts = { connections: 0, cuts: 0, freezes: 0, flips: 0 };
  readonly #server: Server;
  readonly #chance: Chance;
  readonly #pairs = new Set<Pair>();
  readonly #fates = new Map<number, Fate>(); // by the client's port
  #target = 0;

  private constructor(chance: Chance) {
    this.#chance = chance;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#accept(socket),
    );
  }

  static async listen(chance: Chance): Promise<Network> {
    const network = new Network(chance);
    await new Promise<void>((resolve) => network.#server.listen(0, '127.0.0.1', resolve));
    return network;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** New connections go to this port. */
  set target(port: number) {
    this.#target = port;
  }

  /** What happens to the connection that comes from this port. */
  destine(from: number, fate: Fate): void {
    this.#fates.set(from, fate);
    for (const pair of this.#pairs) if (pair.from === from) pair.destine(fate);
  }

  /** Ends all connections at once. */
  clear(): void {
    for (const pair of this.#pairs) pair.reset();
    this.#fates.clear();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.clear();
    await closed;
  }

  #accept(client: Socket): void {
    this.counts.connections++;
    const relay = connect({
      port: this.#target,
      host: '127.0.0.1',
      noDelay: true,
      allowHalfOpen: true,
    });
    const pair = new Pair(client, relay, { chance: this.#chance, counts: this.counts });
    pair.destine(this.#fates.get(pair.from) ?? {});
    this.#pairs.add(pair);
    pair.closed.then(() => {
      this.#pairs.delete(pair);
      this.#fates.delete(pair.from);
    });
  }
}

interface Tools {
  readonly chance: Chance;
  readonly counts: ProxyCounts;
}

/** The two sockets of one connection. */
class Pair {
  readonly from: number;
  readonly closed: Promise<unknown>;
  readonly #client: Socket;
  readonly #relay: Socket;
  readonly #up: Pipe;
  readonly #down: Pipe;

  constructor(client: Socket, relay: Socket, tools: Tools) {
    this.#client = client;
    this.#relay = relay;
    this.from = client.remotePort ?? 0;
    const cut = (how: 'fin' | 'reset') => this.#cut(how);
    this.#up = new Pipe(client, relay, { ...tools, cut });
    this.#down = new Pipe(relay, client, { ...tools, cut });
    const gone = (socket: Socket) =>
      new Promise((resolve) => {
        socket.on('error', () => this.reset());
        socket.on('close', resolve);
      });
    this.closed = Promise.all([gone(client), gone(relay)]);
  }

  destine({ up = {}, down = {} }: Fate): void {
    this.#up.fate = up;
    this.#down.fate = down;
  }

  #cut(how: 'fin' | 'reset'): void {
    if (how === 'reset') return this.reset();
    for (const socket of [this.#client, this.#relay]) {
      socket.end();
      socket.resume(); // what still comes goes nowhere
    }
    // Whoever does not answer the end gets another one.
    setTimeout(() => this.reset(), 200).unref();
  }

  reset(): void {
    this.#up.stop();
    this.#down.stop();
    // Node never closes a socket that is reset while its end is under way.
    for (const socket of [this.#client, this.#relay])
      if (socket.connecting || socket.writableEnded) socket.destroy();
      else if (!socket.destroyed) socket.resetAndDestroy();
  }
}

/** One direction. */
class Pipe {
  fate: PipeFate = {};
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #tools: Tools & { cut(how: 'fin' | 'reset'): void };
  #passed = 0;
  #frozen = false;
  #over = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(source: Socket, sink: Socket, tools: Tools & { cut(how: 'fin' | 'reset'): void }) {
    this.#source = source;
    this.#sink = sink;
    this.#tools = tools;
    source.on('data', (chunk) => this.#pass(chunk));
    source.on('end', () => this.#over || sink.end());
  }

  stop(): void {
    this.#over = true;
    if (this.#timer) clearTimeout(this.#timer);
  }

  #pass(chunk: Buffer): void {
    if (this.#over) return;
    const { cutAt, cut = 'reset', freeze } = this.fate;
    const room = cutAt === undefined ? chunk.length : Math.min(chunk.length, cutAt - this.#passed);
    const bytes = chunk.subarray(0, Math.max(0, room));
    this.#flip(bytes);
    this.#passed += bytes.length;
    if (room < chunk.length) {
      this.#over = true;
      this.#tools.counts.cuts++;
      this.#sink.write(bytes, () => this.#tools.cut(cut));
      return;
    }
    const flushed = this.#sink.write(bytes);
    if (freeze && !this.#frozen && this.#passed >= freeze.at) {
      this.#frozen = true;
      this.#tools.counts.freezes++;
      return this.#rest(freeze.ms);
    }
    const { bytesPerSecond } = this.fate;
    if (bytesPerSecond !== undefined) return this.#rest((bytes.length * 1_000) / bytesPerSecond);
    if (flushed) return;
    this.#source.pause();
    this.#sink.once('drain', () => this.#source.resume());
  }

  #rest(ms: number): void {
    this.#source.pause();
    this.#timer = setTimeout(() => this.#source.resume(), Math.min(ms, 2_000));
  }

  #flip(bytes: Buffer): void {
    const { flipOneIn, flipFrom = 0 } = this.fate;
    if (flipOneIn === undefined) return;
    const { chance, counts } = this.#tools;
    // The gap to the next flip is drawn evenly, which costs one draw a flip and not one a byte.
    for (
      let at = chance.below(2 * flipOneIn);
      at < bytes.length;
      at += 1 + chance.below(2 * flipOneIn)
    ) {
      if (this.#passed + at < flipFrom) continue;
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << chance.below(8)), at);
      counts.flips++;
    }
  }
}
