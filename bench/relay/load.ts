// The load of the relay bench, a process of its own: connected to all rivals, it does one run after the
// other as its parent asks.

import type { Users } from './blocks.ts';
import type { Cell } from './cells.ts';
import { flexim, fleximAcks } from './flexim.ts';
import { forward } from './forward.ts';
import type { Line } from './line.ts';
import { mqtt } from './mqtt.ts';
import { nats } from './nats.ts';
import { type Delay, pace } from './pace.ts';
import { redis } from './redis.ts';
import { type Rate, Traffic } from './traffic.ts';
import type { Wire } from './wire.ts';

export const WIRES = { flexim, fleximAcks, nats, redis, mqtt, forward } as const;
export type WireName = keyof typeof WIRES;

export type Order =
  | {
      readonly do: 'open';
      readonly rival: string;
      readonly wire: WireName;
      readonly port: number;
      readonly pairs: number;
    }
  | { readonly do: 'close'; readonly rival: string }
  | {
      readonly do: 'run';
      readonly rival: string;
      readonly cell: Cell;
      readonly warmMs: number;
      readonly ms: number;
      readonly pid: number;
    }
  | {
      readonly do: 'pace';
      readonly rival: string;
      readonly cell: Cell;
      readonly rate: number;
      readonly warmMs: number;
      readonly ms: number;
      readonly pid: number;
    };

/** What the parent hears: what was asked for, or why not. */
export type Answer = { readonly result: Rate | Delay | null } | { readonly error: string };

const AT_ONCE = 16;
const rivals = new Map<string, Users>();

async function open({ wire: name, port, pairs }: Extract<Order, { do: 'open' }>): Promise<Users> {
  const wire: Wire = WIRES[name];
  const senders: Line[] = [];
  const receivers: Line[] = [];
  for (let nth = 0; nth < pairs; nth += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, pairs - nth) }, (_, i) => nth + i);
    const opened = (role: 'sender' | 'receiver') =>
      Promise.all(some.map((each) => wire.open(port, role, each)));
    receivers.push(...(await opened('receiver')));
    senders.push(...(await opened('sender')));
  }
  return { wire, senders, receivers };
}

async function act(order: Order): Promise<Rate | Delay | null> {
  if (order.do === 'open') {
    rivals.set(order.rival, await open(order));
    return null;
  }
  const users = rivals.get(order.rival);
  if (!users) throw new Error(`${order.rival} is not open`);
  if (order.do === 'run') return new Traffic(users, order.cell).run(order, order.pid);
  if (order.do === 'pace') return pace(users, order.cell, order);
  for (const line of [...users.senders, ...users.receivers]) line.end();
  rivals.delete(order.rival);
  return null;
}

const answer = (message: Answer) => void process.send?.(message);
const refuse = (error: unknown) => answer({ error: (error as Error).message });
process.on('message', (order: Order) => {
  act(order).then((result) => answer({ result }), refuse);
});
process.on('uncaughtException', refuse);
process.on('disconnect', () => process.exit());
