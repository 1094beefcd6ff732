// Nodes for tests: real ones on loopback, an address book in a temporary directory, what they told noted.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BookFile } from '../../../src/protocols/enclave/file.ts';
import { Node, type NodeOptions } from '../../../src/protocols/enclave/node.ts';
import type { NodeEvent } from '../../../src/protocols/enclave/queues.ts';
import { temporaryDirectory } from '../../relay.ts';
import { until } from '../../scene.ts';

export const QUICK = { minMs: 5, maxMs: 40 };

const DEFAULTS = {
  ...{ host: '127.0.0.1', port: 0, alias: 'somebody', key: null, pauses: QUICK },
  strangers: 'refuse',
} as const;

async function drain(node: Node): Promise<void> {
  for await (const _ of node.inbound);
}

export interface TestNode {
  readonly node: Node;
  readonly book: BookFile;
  readonly events: NodeEvent[];
  /** Waits for an event, of those that were not waited for before. */
  heard<K extends NodeEvent['kind']>(
    kind: K,
    isMeant?: (event: Extract<NodeEvent, { kind: K }>) => boolean,
  ): Promise<Extract<NodeEvent, { kind: K }>>;
  leave(): Promise<void>;
}

export interface Place {
  /** `book` is its text; with `directory` the one of a node before. */
  open(options?: Partial<NodeOptions> & { readonly lines?: string }): Promise<TestNode>;
  /** A node whose events nobody takes but the test. */
  silent(options?: Partial<NodeOptions>): Promise<Node>;
  readonly directory: string;
}

export function withNodes(body: (place: Place) => Promise<void>): () => Promise<void> {
  return async () => {
    const directory = temporaryDirectory();
    const nodes: Pick<TestNode, 'leave'>[] = [];
    let count = 0;
    try {
      await body({
        directory,
        silent: async (options = {}) => {
          const book = new BookFile(join(directory, `book${++count}`));
          const node = await Node.open({ ...DEFAULTS, book, ...options });
          nodes.push({
            leave: async () => {
              void drain(node);
              await node.leave();
            },
          });
          return node;
        },
        open: async ({ lines, ...options } = {}) => {
          const path = join(directory, `book${++count}`);
          if (lines !== undefined) writeFileSync(path, lines, { mode: 0o600 });
          const made = await openNode({ book: new BookFile(path), ...options });
          nodes.push(made);
          return made;
        },
      });
    } finally {
      await Promise.all(nodes.map((each) => each.leave()));
      rmSync(directory, { recursive: true });
    }
  };
}

async function openNode(options: Partial<NodeOptions> & { book: BookFile }): Promise<TestNode> {
  const node = await Node.open({ ...DEFAULTS, ...options });
  const events: NodeEvent[] = [];
  const waited = new Set<NodeEvent>();
  const listening = (async () => {
    for await (const event of node.inbound) events.push(event);
  })();
  return {
    ...{ node, events, book: options.book },
    async heard(kind, isMeant = () => true) {
      type Meant = Extract<NodeEvent, { kind: typeof kind }>;
      const find = () =>
        events.find((each) => each.kind === kind && !waited.has(each) && isMeant(each as Meant)) as
          | Meant
          | undefined;
      await until(() => find() !== undefined, `${kind}; heard ${JSON.stringify(events)}`);
      const event = find() as Meant;
      waited.add(event);
      return event;
    },
    async leave() {
      await node.leave();
      await listening;
    },
  };
}
