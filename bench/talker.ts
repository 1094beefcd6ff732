// What bench/messenger.ts runs in processes of their own: somebody who receives, somebody who sends, and one
// who opens a long history. Each has a real store; the last answer is a line of JSON.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type Messenger, openMessenger } from '../src/client/messenger.ts';
import { openStore } from '../src/client/open.ts';
import { openState, pair } from '../src/client/state.ts';
import { Vault } from '../src/client/vault.ts';
import { type Identity, identityFromSeed } from '../src/crypto/identity.ts';
import { randomBytes } from '../src/crypto/sodium.ts';
import { encodeContent } from '../src/fe1/content.ts';
import { toHex, utf8 } from '../src/lib/bytes.ts';
import { protocols } from '../src/protocols/index.ts';
import type { Store } from '../src/store/store.ts';
import { memoryPins } from '../test/relay.ts';
import { until } from '../test/scene.ts';

export type Task =
  /** Is there until the process is ended. */
  | { readonly task: 'listen'; readonly port: number; readonly place: string }
  /** Leaves prekeys, and goes. */
  | { readonly task: 'appear'; readonly port: number; readonly place: string }
  | {
      readonly task: 'send';
      readonly port: number;
      readonly place: string;
      readonly to: string;
      readonly messages: number;
    }
  /** Takes what waits for him. */
  | {
      readonly task: 'take';
      readonly port: number;
      readonly place: string;
      readonly messages: number;
    }
  | { readonly task: 'fill'; readonly place: string; readonly messages: number }
  | { readonly task: 'open'; readonly place: string; readonly rounds: number };

const STORE_KEY = new Uint8Array(32).fill(3);
const PEER = 'ab'.repeat(32);

interface Someone {
  readonly me: Messenger;
  readonly store: Store;
  readonly identity: Identity;
}

async function someone(place: string, port: number): Promise<Someone> {
  const identity = identityOf(place);
  const store = await openStore(place, { pid: process.pid });
  const pins = memoryPins();
  const dial = () => protocols.flexim.dial({ host: '127.0.0.1', port, identity, pins });
  const me = await openMessenger({ identity, storeKey: STORE_KEY, store, dial });
  return { me, store, identity };
}

/** The same one for the same place. */
function identityOf(place: string): Identity {
  const file = `${place}.seed`;
  if (!existsSync(file)) writeFileSync(file, randomBytes(32));
  return identityFromSeed(new Uint8Array(readFileSync(file)));
}

const isUp = ({ me }: Someone) => me.status.relay !== null && me.status.published;

async function end({ me, store }: Someone): Promise<void> {
  await me.close();
  await store.close();
}

const now = () => performance.now();

export interface Took {
  readonly ms: number;
  /** Of this process, all its threads: what others do on the machine does not count. */
  readonly cpuMs: number;
}

function stopwatch(): () => Took {
  const [began, used] = [now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(used);
    return { ms: now() - began, cpuMs: (user + system) / 1_000 };
  };
}

async function run(task: Task): Promise<unknown> {
  switch (task.task) {
    case 'listen':
    case 'appear': {
      const one = await someone(task.place, task.port);
      await until(() => isUp(one), 'up');
      if (task.task === 'appear') await end(one);
      else process.once('SIGTERM', () => void end(one).then(() => process.exit(0)));
      return { key: one.identity.hex };
    }
    case 'send': {
      const one = await someone(task.place, task.port);
      await until(() => isUp(one), 'up');
      // The first one opens the session; the others are what is measured.
      await settled(one, task.to, [await one.me.send(task.to, 'first')]);
      const watch = stopwatch();
      const ids = await Promise.all(
        Array.from({ length: task.messages }, (_, i) => one.me.send(task.to, `${i} ${text(i)}`)),
      );
      await settled(one, task.to, ids);
      const took = watch();
      await end(one);
      return took;
    }
    case 'take': {
      const watch = stopwatch();
      const one = await someone(task.place, task.port);
      const events = one.me.events();
      for (let taken = 0; taken < task.messages; )
        if ((await events.next()).value?.kind === 'message') taken++;
      const took = watch();
      await end(one);
      return took;
    }
    case 'fill':
      return fill(task.place, task.messages);
    case 'open':
      return open(task.place, task.rounds);
  }
}

/** Until the relay or the other side has each of them. */
async function settled({ me }: Someone, to: string, ids: readonly string[]): Promise<void> {
  const open = new Set(ids.filter((id) => me.stateOf(to, id) === 'queued'));
  const events = me.events();
  while (open.size > 0) {
    const { value } = await events.next();
    if (value?.kind === 'state') open.delete(value.id);
  }
}

const WORDS = 'the sea was calm and nobody said a word until morning came with rain again'.split(
  ' ',
);

/** Some twelve words, as in a chat. */
function text(i: number): string {
  return Array.from({ length: 12 }, (_, n) => WORDS[(i * 7 + n * 5) % WORDS.length]).join(' ');
}

/** A store with a history, made by the rows that the messenger itself writes. */
async function fill(place: string, messages: number): Promise<unknown> {
  const store = await openStore(place, { pid: process.pid });
  const opened = openState(new Vault(store, STORE_KEY, randomBytes), place);
  const { state, journal } = opened;
  const at = 1_800_000_000;
  state.own.set('own', { install: randomBytes(16), published: true, next: messages + 1 });
  state.contacts.set(PEER, {
    ...{ key: PEER, name: 'bob', alias: null, added: true, firstSeen: at },
    ...{ verified: false, blocked: false, changedTo: null },
  });
  for (let order = 1; order <= messages; order++) {
    const [id, out] = [randomBytes(16), order % 2 === 0];
    const msg = order === 1 ? 'a needle' : `${order} ${text(order)}`;
    const { content } = encodeContent({
      kind: 'message',
      message: { id, date: at + order, flags: [], msg },
    });
    const line = { peer: PEER, order, id: toHex(id), out, at: at + order, content };
    state.lines.set(pair(PEER, String(order)), { ...line, state: 'delivered' });
    state.places.set(`${out ? 'out' : 'in'}:${pair(PEER, toHex(id))}`, { order, at });
    if (order % 128 > 0 && order < messages) continue;
    await opened.commit();
    journal.clear();
  }
  await store.close();
  return {};
}

export interface Opened {
  readonly open: Took;
  readonly oldest: Searched;
  readonly never: Searched;
  readonly common: Searched;
  readonly pages: readonly Took[];
  readonly rss: number;
}

export interface Searched {
  readonly found: number;
  readonly times: readonly Took[];
}

/** From nothing to the last page, and searches. */
async function open(place: string, rounds: number): Promise<Opened> {
  const opening = stopwatch();
  const store = await openStore(place, { pid: process.pid });
  const identity = identityFromSeed(utf8('x'.repeat(32)));
  const dial = () => new Promise<never>(() => {});
  const me = await openMessenger({ identity, storeKey: STORE_KEY, store, dial, tickMs: null });
  const last = me.history(PEER, { limit: 50 });
  const open = opening();
  if (last.length !== 50) throw new Error('no page');
  const timed = (count: number, work: () => unknown): Took[] =>
    Array.from({ length: count }, () => {
      const watch = stopwatch();
      work();
      return watch();
    });
  const search = (what: string): Searched => {
    let found = 0;
    const times = timed(rounds, () => {
      found = me.history(PEER, { search: what }).length;
    });
    return { found, times };
  };
  const [oldest, never, common] = [search('A NEEDLE'), search('xyzzy'), search('morning')];
  const pages = timed(20, () => me.history(PEER, { before: 1_000, limit: 50 }));
  const { rss } = process.memoryUsage();
  await store.close(); // the messenger never had a link
  return { open, oldest, never, common, pages, rss };
}

const task = JSON.parse(process.argv[2] ?? '{}') as Task;
const answer = await run(task);
process.stdout.write(`${JSON.stringify(answer)}\n`, () => {
  if (task.task === 'open') process.exit(0); // its messenger still dials
});
