// flexim enclave: runs this profile's node, with its messenger, until the user leaves.

import { createInterface, type Interface } from 'node:readline';
import { isLoopback, parseAddress } from '../../lib/address.ts';
import { FleximError } from '../../lib/errors.ts';
import { AsyncQueue } from '../../lib/queue.ts';
import type { EnclaveLink, NodeEvent } from '../../protocols/enclave/index.ts';
import type { Agent, AgentEvent } from '../agent/agent.ts';
import type { EnclaveSettings } from '../agent/enclave.ts';
import { withAgent } from '../agent/use.ts';
import type { Context, ENCLAVE } from '../command.ts';
import { Desk } from '../enclave/desk.ts';
import { tell } from '../profile.ts';

/** All that is to be done, one after the other. */
type Item =
  | { readonly kind: 'node'; readonly event: NodeEvent }
  | { readonly kind: 'agent'; readonly event: AgentEvent }
  | { readonly kind: 'line'; readonly text: string }
  | { readonly kind: 'end' };

export async function run({ settings }: Context<typeof ENCLAVE>): Promise<void> {
  const items = new AsyncQueue<Item>();
  let link: EnclaveLink | null = null;
  let isOwner = false;
  const enclave: EnclaveSettings = {
    listen: settings.listen,
    strangers: strangersOf(settings.strangers),
    heard: (event) => items.push({ kind: 'node', event }),
    owns: () => {
      isOwner = true;
    },
    ready: (made) => {
      link = made;
      const { note } = settings;
      if (note) made.node.outbound.push({ kind: 'status', status: 1, note });
    },
  };
  await withAgent(
    settings,
    async (agent) => {
      if (!isOwner) throw elsewhere();
      if (isLoopback(parseAddress(settings.listen).host))
        tell('reachable from this machine only; --listen 0.0.0.0:7776 lets others in');
      const desk = new Desk(agent, () => link ?? raise(unready()), settings.json);
      void listen(agent, items);
      await work(items, desk);
    },
    { enclave, way: 'enclave' },
  );
}

async function work(items: AsyncQueue<Item>, desk: Desk): Promise<void> {
  let lines: Interface | null = null;
  try {
    for await (const item of items)
      switch (item.kind) {
        case 'node':
          lines ??= readLines(items); // it listens: there is somebody to take orders
          await desk.heard(item.event);
          break;
        case 'agent':
          if (item.event.kind === 'down' && !lines) throw item.event.error;
          await desk.happened(item.event);
          break;
        case 'line':
          if (!(await desk.line(item.text))) return;
          break;
        case 'end':
          return;
      }
  } finally {
    lines?.close();
    process.stdin.unref?.();
  }
}

function readLines(items: AsyncQueue<Item>): Interface {
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (text) => items.push({ kind: 'line', text }));
  // Without a terminal it is a service: the end of its input is not its end.
  if (process.stdin.isTTY) lines.on('close', () => items.push({ kind: 'end' }));
  return lines;
}

async function listen(agent: Agent, items: AsyncQueue<Item>): Promise<void> {
  try {
    for await (const event of agent.events()) items.push({ kind: 'agent', event });
    items.push({ kind: 'end' });
  } catch (error) {
    items.end(error as Error); // the store failed
  }
}

function strangersOf(named: string | null): 'ask' | 'refuse' | 'accept' {
  if (named !== null) return named as 'ask' | 'refuse' | 'accept';
  return process.stdin.isTTY ? 'ask' : 'refuse';
}

function elsewhere(): FleximError {
  return new FleximError(
    'store-busy',
    'another flexim of this profile runs the node already: close it, then this one can',
  );
}

function unready(): FleximError {
  return new FleximError('not-connected', 'the node does not listen yet');
}

function raise(error: Error): never {
  throw error;
}
