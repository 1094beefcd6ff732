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
    receive(line, size, (frame) => {
      if (came % SAMPLE === 0 && !isPayload(frame, payloadAt, cell.bytes))
        fail('other bytes came than were sent');
      times[came++] = performance.now() - readTime(frame, payloadAt);
      users.wire.taken?.(line, 1, size);
    });
  }
  const write = writer(users, cell);
  const began = performance.now();
  const [server, own] = [cpuOf(pid), ownCpu()];
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - began) * rate) / 1_000));
    if (due > sent) write(sent, due, (n) => began + (n * 1_000) / rate);
    sent = Math.max(sent, due);
    await new Promise((resolve) => setImmediate(resolve));
  }
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

function receive(line: Line, size: number, frame: (bytes: Buffer) => void): void {
  let rest = Buffer.alloc(0);
  line.take = (memory, length) => {
    const came = memory.subarray(0, length);
    const bytes = rest.length > 0 ? Buffer.concat([rest, came]) : came;
    let at = 0;
    for (; at + size <= bytes.length; at += size) frame(bytes.subarray(at, at + size));
    rest = Buffer.from(bytes.subarray(at));
  };
}

/** Writes the messages from..to; sender after sender has one. */
function writer(users: Users, cell: Cell) {
  const { pairs } = cell;
  const blocks = Array.from({ length: pairs }, (_, nth) => sentBlock(users, cell, nth));
  const frame = (blocks[0]?.bytes.length ?? 0) / (blocks[0]?.count ?? 1) / 2;
  const first = users.receivers[target(cell, 0, 0)] as Line;
  const payload = makePayload(cell.bytes, 0, 0);
  const payloadAt = users.wire.sent(first.name, payload).indexOf(payload);
  return (from: number, to: number, timeOf: (n: number) => number) => {
    const pieces = new Map<number, Buffer[]>();
    for (let n = from; n < to; n++) {
      const sender = n % pairs;
      const { bytes, count } = blocks[sender] as (typeof blocks)[number];
      const at = (Math.floor(n / pairs) % count) * frame;
      const copy = Buffer.from(bytes.subarray(at, at + frame));
      writeTime(copy, payloadAt, timeOf(n));
      const mine = pieces.get(sender);
      if (mine) mine.push(copy);
      else pieces.set(sender, [copy]);
    }
    for (const [sender, mine] of pieces)
      users.senders[sender]?.socket.write(
        mine.length === 1 ? (mine[0] as Buffer) : Buffer.concat(mine),
      );
  };
}
