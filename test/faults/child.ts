// The process whose disk fails: keeps a store and does what its parent orders, over the IPC channel. Its
// first argument is the store.ts to use.

import { pathToFileURL } from 'node:url';
import type { Store } from '../../src/store/store.ts';
import type { Order, Said } from './process.ts';

const { Store: Opened }: { Store: typeof Store } = await import(
  pathToFileURL(process.argv[2] ?? '').href
);

function opened(directory: string) {
  const store = new Opened(directory, 'relay');
  store.claim({ pid: process.pid, started: '' }, () => false);
  return { store, rows: store.table<string>('rows'), bytes: store.bytes('bytes') };
}

let current: ReturnType<typeof opened> | null = null;

function kept() {
  if (!current) throw new Error('no store was opened');
  return current;
}

function turns(count: number): Promise<void> {
  return new Promise((resolve) => {
    const next = (left: number) => {
      if (left === 0) resolve();
      else setImmediate(next, left - 1);
    };
    next(count);
  });
}

const orders: { readonly [D in Order['do']]: (order: Order & { do: D }) => unknown } = {
  open: ({ directory }) => {
    current = opened(directory);
  },
  put: ({ api, key, value }) => {
    const { store, rows, bytes } = kept();
    if (api === 'transaction') return store.transaction(() => rows.put(key, value));
    return store.batch(() => bytes.put(Buffer.from(key), Buffer.from(value)));
  },
  get: ({ api, key }) => {
    const { rows, bytes } = kept();
    return api === 'transaction' ? rows.get(key) : bytes.get(Buffer.from(key))?.toString();
  },
  turns: ({ count }) => turns(count),
  close: () => kept().store.close(),
  leave: () => process.disconnect(),
};

async function obey(order: Order): Promise<Said> {
  try {
    const value = await (orders[order.do] as (order: Order) => unknown)(order);
    return { value: typeof value === 'string' ? value : null };
  } catch (error) {
    const { name, message, code } = error as Error & { code?: unknown };
    return { error: { name, message, code: String(code) } };
  }
}

process.on('message', async ({ id, order }: { id: number; order: Order }) => {
  const said = await obey(order);
  if (process.connected) process.send?.({ id, said });
});
