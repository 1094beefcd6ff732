// What the tests of links share: a link to a hostile relay, and ways to look at what comes out of it.
import * as assert from 'uvu/assert';
import { FleximError } from '../../../src/lib/errors.ts';
import type { DialOptions, Link } from '../../../src/protocols/protocol.ts';
import { message, type Steps, status, type Visit, withHostile } from '../../hostile-relay.ts';
import { dialRelay } from '../../relay.ts';

/** A link to a hostile relay, and the relay's end of it. */
export async function withLink(
  steps: Partial<Steps>,
  body: (link: Link, visit: Visit) => Promise<void>,
  options: Partial<DialOptions> = {},
): Promise<void> {
  await withHostile(steps, async (hostile) => {
    const link = await dialRelay(hostile.port, options);
    try {
      await body(link, await hostile.visit());
    } finally {
      await link.close();
    }
  });
}

/** Answers nothing but the farewell. */
export const silence: Partial<Steps> = {
  answer: ({ socket }, { cmd }) => {
    if (cmd === 'BYE') socket.end();
    return null;
  },
};
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
export const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

export async function take<T>(items: AsyncIterableIterator<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  while (taken.length < count) {
    const { value, done } = await items.next();
    if (done) break;
    taken.push(value);
  }
  return taken;
}

export async function drain<T>(items: AsyncIterableIterator<T>): Promise<T[]> {
  return take(items, Number.POSITIVE_INFINITY);
}

export async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  return error instanceof FleximError ? error.code : `no error: ${error}`;
}

export const MANY = 2_000;
const FILLER = 'x'.repeat(16_000); // 32 MB in all: more than any socket buffer holds

/** Waits until the first delivery is there and the rest had every chance to be read. */
export async function firstOfMany(
  link: Link,
  visit: Visit,
): Promise<AsyncIterableIterator<unknown>> {
  const deliveries = link.deliveries();
  visit.send(...Array.from({ length: MANY }, (_, i) => message(`${i} ${FILLER}`)), status(22));
  const { value } = await deliveries.next();
  assert.is(numberOf(value), 0);
  for (let i = 0; i < 200; i++) await turn();
  return deliveries;
}

export const numberOf = (delivery: unknown) =>
  Number.parseInt(text((delivery as { envelope: Uint8Array }).envelope), 10);
export const numbers = (from: number) => Array.from({ length: MANY - from }, (_, i) => i + from);
