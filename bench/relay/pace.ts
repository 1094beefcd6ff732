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
const RING = 2_048; // messages of one sender that may be under way

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
  await new Promise<void>((resolve) => {
    let sent = 0;
    const turn = () => {
      const late = Math.floor(((performance.now() - began) * rate) / 1_000);
      // What is not there yet must not be overwritten; a message that waits for that is late all the same.
      const due = Math.min(total, late, came + RING * cell.pairs);
      if (due > sent) write(sent, due, (n) => began + (n * 1_000) / rate);
      sent = Math.max(sent, due);
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
 * collects garbage would be what is measured.
 */
function writer(users: Users, cell: Cell) {
  const { pairs } = cell;
  const rings = Array.from({ length: pairs }, (_, nth) => ring(users, cell, nth));
  const first = users.receivers[target(cell, 0, 0)] as Line;
  const payload = makePayload(cell.bytes, 0, 0);
  const frame = users.wire.sent(first.name, payload);
  const [size, payloadAt] = [frame.length, frame.indexOf(payload)];
  return (from: number, to: number, timeOf: (n: number) => number) => {
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
  };
}

/** A sender's block, as often as it takes to have RING messages. */
function ring(users: Users, cell: Cell, sender: number) {
  const { bytes, count } = sentBlock(users, cell, sender);
  const times = Math.ceil(RING / count);
  const memory = Buffer.concat(Array<Buffer>(times).fill(bytes.subarray(0, bytes.length / 2)));
  return { memory, count: count * times };
}
