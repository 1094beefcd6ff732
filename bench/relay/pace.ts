// A run at a set rate: how long a message takes from the moment at which it was to be sent, whether the
// load was in time or not.

import { sentBlock, target, type Users } from './blocks.ts';
import type { Cell } from './cells.ts';
import { layout } from './check.ts';
import { fail, type Line } from './line.ts';
import { isPayload, makePayload, readTime, writeTime } from './payload.ts';
import { cpuOf, ownCpu, sleep } from './time.ts';
import type { Span } from './traffic.ts';

/** Milliseconds. */
export interface Delay {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly most: number;
  readonly messages: number;
  readonly serverCpu: number | null;
  readonly loadCpu: number;
}

const PATIENCE_MS = 20_000;
const SAMPLE = 64;
const RING = 2_048; // messages that lie ready for a sender …
const RING_BYTES = 4 * 1024 * 1024; // … or fewer

export async function pace(
  users: Users,
  cell: Cell,
  { rate, warmMs, ms, pid }: Span & { readonly rate: number; readonly pid: number },
): Promise<Delay> {
  const total = Math.ceil((rate * (warmMs + ms)) / 1_000);
  const warm = Math.ceil((rate * warmMs) / 1_000);
  const times = new Float64Array(total);
  let came = 0;
  const { length: size, payloadAt } = layout(users, cell);
  for (const line of users.senders) line.take = () => {};
  for (const line of users.receivers.slice(0, cell.pairs)) {
    receive(line, size, (bytes, at) => {
      if (came % SAMPLE === 0 && !isPayload(bytes, at + payloadAt, cell.bytes))
        fail('other bytes came than were sent');
      times[came++] = performance.now() - readTime(bytes, at + payloadAt);
      users.wire.taken?.(line, 1, size);
    });
  }
  const write = writer(users, cell);
  globalThis.gc?.(); // now, and not in the middle
  const began = performance.now();
  const [server, own] = [cpuOf(pid), ownCpu()];
  await new Promise<void>((resolve, reject) => {
    let sent = 0;
    const turn = () => {
      try {
        next();
      } catch (error) {
        reject(error);
      }
    };
    const next = () => {
      const passed = performance.now() - began;
      if (passed > warmMs + ms + PATIENCE_MS) fail(`${rate} messages/s are too many`);
      const due = Math.min(total, Math.floor((passed * rate) / 1_000));
      if (due > sent) sent = write(sent, due, (n) => began + (n * 1_000) / rate);
      if (sent < total) setImmediate(turn);
      else resolve();
    };
    turn();
  });
  const seconds = (performance.now() - began) / 1_000;
  const after = cpuOf(pid);
  const loadCpu = (ownCpu() - own) / seconds;
  for (const end = performance.now() + PATIENCE_MS; came < total; await sleep(2))
    if (performance.now() > end) fail(`${total - came} of ${total} messages do not come`);
  const sorted = times.subarray(warm).sort();
  const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)] as number;
  return {
    ...{ p50: at(0.5), p99: at(0.99), p999: at(0.999), most: at(1) },
    ...{ messages: sorted.length, loadCpu },
    serverCpu: server === null || after === null ? null : (after - server) / seconds,
  };
}

function receive(line: Line, size: number, frame: (bytes: Buffer, at: number) => void): void {
  const rest = Buffer.alloc(size); // of a message that came in two pieces
  let kept = 0;
  line.take = (bytes, length) => {
    let at = 0;
    if (kept > 0) {
      at = bytes.copy(rest, kept, 0, Math.min(length, size - kept));
      kept += at;
      if (kept < size) return;
      frame(rest, 0);
    }
    for (; at + size <= length; at += size) frame(bytes, at);
    kept = bytes.copy(rest, 0, at, length);
  };
}

/**
 * Writes the messages from..to; sender after sender has one. They lie ready, and only the time is put in: a load that
 * collects garbage would be what is measured. Up to where: what a sender wrote last is not overwritten before the
 * system has it. A message that waits for that is late all the same.
 */
function writer(users: Users, cell: Cell) {
  const { pairs } = cell;
  const rings = Array.from({ length: pairs }, (_, nth) => ring(users, cell, nth));
  const first = users.receivers[target(cell, 0, 0)] as Line;
  const payload = makePayload(cell.bytes, 0, 0);
  const frame = users.wire.sent(first.name, payload);
  const [size, payloadAt] = [frame.length, frame.indexOf(payload)];
  const most = Math.floor((rings[0]?.count ?? 0) / 2) * pairs;
  const isJammed = ({ memory }: { readonly memory: Buffer }, nth: number) =>
    (users.senders[nth] as Line).socket.writableLength > memory.length / 2;
  return (from: number, due: number, timeOf: (n: number) => number): number => {
    if (rings.some(isJammed)) return from;
    const to = Math.min(due, from + most);
    for (let next = from; next < Math.min(to, from + pairs); next++) {
      const sender = next % pairs;
      const { memory, count } = rings[sender] as (typeof rings)[number];
      const { socket } = users.senders[sender] as Line;
      let start = (Math.floor(next / pairs) % count) * size;
      let at = start;
      for (let n = next; n < to; n += pairs) {
        if (at === memory.length) {
          socket.write(memory.subarray(start));
          start = at = 0;
        }
        writeTime(memory, at + payloadAt, timeOf(n));
        at += size;
      }
      socket.write(memory.subarray(start, at));
    }
    return to;
  };
}

/** A sender's block, as often as it takes to have so many messages. */
function ring(users: Users, cell: Cell, sender: number) {
  const { bytes, count } = sentBlock(users, cell, sender);
  const wanted = Math.min(RING, (RING_BYTES * 2 * count) / bytes.length);
  const times = Math.ceil(wanted / count);
  const memory = Buffer.concat(Array<Buffer>(times).fill(bytes.subarray(0, bytes.length / 2)));
  return { memory, count: count * times };
}
