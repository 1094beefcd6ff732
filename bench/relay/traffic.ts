// A run at full speed: every sender has a bounded number of messages in flight, and what was delivered
// makes room for as many more. What comes is counted, never parsed.

import { type Block, sentBlock, type Users } from './blocks.ts';
import { type Cell, inFlight } from './cells.ts';
import { layout, sampler, settle } from './check.ts';
import { fail, type Line } from './line.ts';
import { cpuOf, ownCpu, sleep } from './time.ts';

export interface Rate {
  readonly perSecond: number;
  readonly messages: number; // in the time that was measured
  /** Shares of a core; null where the system does not tell. */
  readonly serverCpu: number | null;
  readonly loadCpu: number;
  /** Bytes in which senders were told that something went by the queue. */
  readonly told: number;
}

export interface Span {
  readonly warmMs: number;
  readonly ms: number;
}

const PIECE = 8; // a sender writes when so great a part of what he may have in flight is free
const PATIENCE_MS = 20_000;

interface Flow {
  readonly line: Line;
  readonly block: Block;
  readonly frame: number; // bytes
  at: number; // frame of the block that is next
  sent: number;
  owed: number;
  isDirty: boolean;
}

export class Traffic {
  readonly #users: Users;
  readonly #cell: Cell;
  readonly #flows: Flow[];
  readonly #piece: number;
  #dirty: Flow[] = [];
  #isOn = true;
  #pool = 0; // delivered in fan N, and not replaced yet
  #turn = 0; // the flow that gets of the pool next
  delivered = 0;

  constructor(users: Users, cell: Cell) {
    this.#users = users;
    this.#cell = cell;
    this.#piece = Math.max(1, Math.floor(inFlight(cell) / PIECE));
    this.#flows = users.senders.slice(0, cell.pairs).map((line, nth) => {
      const block = sentBlock(users, cell, nth);
      const frame = block.bytes.length / block.count / 2;
      return { line, block, frame, at: 0, sent: 0, owed: inFlight(cell), isDirty: false };
    });
    for (const [nth, line] of users.receivers.slice(0, cell.pairs).entries())
      this.#receive(line, nth);
    for (const { line } of this.#flows) this.#hear(line);
  }

  #receive(line: Line, nth: number): void {
    const { length: size } = layout(this.#users, this.#cell);
    const look = sampler(this.#users, this.#cell, nth);
    const { wire } = this.#users;
    const flow = this.#cell.spread ? null : (this.#flows[nth] as Flow);
    line.bytes = 0;
    line.messages = 0;
    line.take = (bytes, length) => {
      look(bytes, length, line.bytes);
      line.bytes += length;
      const came = Math.floor(line.bytes / size) - line.messages;
      line.messages += came;
      this.delivered += came;
      wire.taken?.(line, came, length);
      if (flow) this.#owe(flow, came);
      else this.#share(came);
    };
  }

  #hear(line: Line): void {
    const { reply } = this.#users.wire;
    line.bytes = 0;
    line.take = (bytes, length) => {
      line.bytes += length;
      if (reply === '')
        fail(`a sender was told: ${bytes.toString('latin1', 0, length).slice(0, 200)}`);
    };
  }

  #owe(flow: Flow, count: number): void {
    flow.owed += count;
    if (flow.owed < this.#piece || flow.isDirty || !this.#isOn) return;
    flow.isDirty = true;
    if (this.#dirty.push(flow) === 1) setImmediate(this.#write);
  }

  /** Who a message was from is not looked at: senders are made up for it in turn. */
  #share(count: number): void {
    this.#pool += count;
    while (this.#pool >= this.#piece) {
      this.#pool -= this.#piece;
      this.#owe(this.#flows[this.#turn] as Flow, this.#piece);
      this.#turn = (this.#turn + 1) % this.#flows.length;
    }
  }

  readonly #write = (): void => {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const flow of dirty) {
      flow.isDirty = false;
      while (this.#isOn && flow.owed > 0) {
        const count = Math.min(flow.owed, flow.block.count);
        flow.line.socket.write(
          flow.block.bytes.subarray(flow.at * flow.frame, (flow.at + count) * flow.frame),
        );
        flow.at = (flow.at + count) % flow.block.count;
        flow.sent += count;
        flow.owed -= count;
      }
    }
  };

  async run({ warmMs, ms }: Span, pid: number): Promise<Rate> {
    for (const flow of this.#flows) this.#owe(flow, 0);
    await sleep(warmMs);
    const server = cpuOf(pid);
    const own = ownCpu();
    const [began, before] = [performance.now(), this.delivered];
    await sleep(ms);
    const seconds = (performance.now() - began) / 1_000;
    const messages = this.delivered - before;
    const loadCpu = (ownCpu() - own) / seconds;
    const after = cpuOf(pid);
    this.#isOn = false;
    await this.#settled();
    const serverCpu = server === null || after === null ? null : (after - server) / seconds;
    const { reply } = this.#users.wire;
    const told = reply === null ? this.#flows.reduce((sum, { line }) => sum + line.bytes, 0) : 0;
    return { perSecond: messages / seconds, messages, serverCpu, loadCpu, told };
  }

  /** Everything that was sent has come, once. */
  async #settled(): Promise<void> {
    const sent = this.#flows.reduce((sum, flow) => sum + flow.sent, 0);
    const end = performance.now() + PATIENCE_MS;
    while (this.delivered < sent) {
      if (performance.now() > end) fail(`${sent - this.delivered} of ${sent} messages do not come`);
      await sleep(2);
    }
    await sleep(5); // what comes more than once, and answers
    settle(
      this.#users,
      this.#cell,
      this.#flows.map((flow) => flow.sent),
    );
  }
}
