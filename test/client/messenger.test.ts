// Two messengers and a real relay.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FleximError } from '../../src/lib/errors.ts';
import { withResolvers } from '../../src/lib/queue.ts';
import { DAY_S } from '../../src/lib/time.ts';
import { Store } from '../../src/store/store.ts';
import { codeOf } from '../protocols/flexim/links.ts';
import { dialRelay, startRelay, temporaryDirectory, withRelay } from '../relay.ts';
import { until } from '../scene.ts';
import { Person, START, withPeople } from './person.ts';

const test = suite('client: messenger');

const settled = (...people: Person[]) =>
  until(() => people.every(({ me }) => me.status.unsettled === 0), 'every receipt');

test('first contact, an answer, states and order', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      const id = await alice.me.send(bob.key, 'hello bob');
      await until(() => bob.got(alice).length === 1, 'hello');
      await settled(alice);
      assert.is(alice.me.stateOf(bob.key, id), 'delivered');
      const stranger = bob.me.contacts.get(alice.key);
      assert.equal([stranger?.name, stranger?.added, stranger?.unread], ['', false, 1]);
      assert.ok(bob.events.some(({ kind }) => kind === 'contact-new'));
      for (let i = 0; i < 20; i++) {
        await bob.me.send(alice.key, `b${i}`);
        await alice.me.send(bob.key, `a${i}`);
      }
      await settled(alice, bob);
      const texts = (letter: string) => Array.from({ length: 20 }, (_, i) => `${letter}${i}`);
      assert.equal(alice.got(bob), texts('b'));
      assert.equal(bob.got(alice), ['hello bob', ...texts('a')]);
      assert.is(bob.me.contacts.get(alice.key)?.unread, 21);
      await bob.me.read(alice.key);
      assert.is(bob.me.contacts.get(alice.key)?.unread, 0);
      assert.equal(bob.me.unread(), []);
      assert.is(alice.me.stateOf(bob.key, id), 'delivered', 'read receipts are off');
    }),
  ));

test('the history both ways, and what is read up to a place', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      for (let i = 0; i < 9; i++) await alice.me.send(bob.key, `text ${i}`);
      await until(() => bob.got(alice).length === 9, 'all');
      const page = (more: object) => bob.me.history(alice.key, { limit: 3, ...more });
      const bodies = (more: object) => page(more).map(({ body }) => body);
      const all = bob.me.history(alice.key);
      const middle = all[4]?.order as number;
      assert.equal(bodies({}), ['text 6', 'text 7', 'text 8']);
      assert.equal(bodies({ before: middle }), ['text 1', 'text 2', 'text 3']);
      assert.equal(bodies({ after: middle }), ['text 5', 'text 6', 'text 7']);
      assert.equal(bodies({ after: middle, search: '7' }), ['text 7']);
      assert.equal(bodies({ after: all[8]?.order }), []);
      assert.is(bob.me.contacts.get(alice.key)?.firstUnread, all[0]?.order);
      await bob.me.readTo(alice.key, middle);
      const { unread, firstUnread } = bob.me.contacts.get(alice.key) ?? {};
      assert.equal([unread, firstUnread], [4, all[5]?.order]);
      await bob.me.readTo(alice.key, all[8]?.order ?? 0);
      assert.is(bob.me.contacts.get(alice.key)?.firstUnread, null);
    }),
  ));

test('what is sent while he is away is accepted by the relay, and delivered when he comes', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      await alice.me.send(bob.key, 'one');
      await settled(alice);
      await bob.close();
      const id = await alice.me.send(bob.key, 'two');
      await until(() => alice.me.stateOf(bob.key, id) === 'accepted', 'accepted');
      await bob.open();
      await settled(alice);
      assert.equal(bob.got(alice), ['one', 'two']);
      assert.is(alice.me.stateOf(bob.key, id), 'delivered');
    }),
  ));

test('before there is a relay, and over its restart', async () => {
  const first = await startRelay();
  const { port, identity, data } = first;
  const kept = temporaryDirectory();
  await first.stop();
  const alice = await new Person({ port }).open();
  const bob = await new Person({ port }).open();
  await alice.me.send(bob.key, 'before');
  await until(() => alice.codes().includes('relay-unreachable'), 'down');
  for (let round = 0; round < 3; round++) {
    const relay = await startRelay({ port, identity, data: kept });
    await Promise.all([alice.up(), bob.up()]);
    await bob.me.send(alice.key, `b${round}`);
    await alice.me.send(bob.key, `a${round}`);
    await until(() => alice.got(bob).length > round && bob.got(alice).length > round + 1, 'all');
    await relay.stop();
    await until(() => alice.me.status.relay === null, 'down again');
  }
  assert.equal(bob.got(alice), ['before', 'a0', 'a1', 'a2']);
  assert.equal(alice.got(bob), ['b0', 'b1', 'b2']);
  assert.not.equal(data, kept);
  await Promise.all([alice.close(), bob.close()]);
});

test('nobody has his prekeys: the message is kept, the user told, and it goes when there are some', () =>
  withRelay(async ({ port }) => {
    let now = START;
    const clock = { wall: () => now };
    const alice = await (await new Person({ port, clock }).open()).up();
    const bob = new Person({ port, clock });
    const id = await alice.me.send(bob.key, 'are you there');
    await until(() => alice.codes().includes('no-bundle'), 'no-bundle');
    assert.is(alice.me.stateOf(bob.key, id), 'queued');
    await (await bob.open()).up();
    now += 60;
    await alice.me.tick();
    await settled(alice);
    assert.equal(bob.got(alice), ['are you there']);
    await Promise.all([alice.close(), bob.close()]);
  }));

test('who writes before the other side was ever there is heard moments after it comes', () =>
  withRelay(async ({ port }) => {
    const asked: string[] = [];
    const alice = new Person({ port, tickMs: 3_600_000 });
    const dial = async () => {
      const link = await dialRelay(port, { identity: alice.identity, pins: alice.pins });
      const { prekeys } = link;
      if (!prekeys) return link;
      const noting = <T>(what: string, ask: (key: string) => Promise<T>) => {
        return (key: string) => {
          if (key !== alice.key) asked.push(what);
          return ask(key);
        };
      };
      const fetch = noting('fetch', prekeys.fetch);
      const peek = noting('peek', prekeys.peek);
      return Object.defineProperty(link, 'prekeys', { value: { ...prekeys, fetch, peek } });
    };
    await (await alice.open({ dial })).up();
    const bob = new Person({ port });
    await alice.me.send(bob.key, 'first');
    await until(() => alice.codes().includes('no-bundle'), 'no-bundle');
    await alice.me.send(bob.key, 'second');
    await (await bob.open()).up();
    await settled(alice);
    assert.equal(bob.got(alice), ['first', 'second']);
    // Fetching is rationed; looking is not, and takes nothing.
    assert.equal([asked[0], asked[1], asked.at(-1)], ['fetch', 'peek', 'fetch']);
    assert.is(asked.filter((what) => what === 'fetch').length, 2);
    assert.is(alice.codes().filter((code) => code === 'no-bundle').length, 1, 'told once');
    await Promise.all([alice.close(), bob.close()]);
  }));

test('an id is used once', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      const id = 'ab'.repeat(16);
      for (let i = 0; i < 3; i++) assert.is(await alice.me.send(bob.key, 'once', { id }), id);
      await settled(alice);
      assert.equal(bob.got(alice), ['once']);
      assert.is(await codeOf(alice.me.send(bob.key, 'x', { id: 'short' })), 'bad-input');
    }),
  ));

test('too long, to oneself, to nobody: refused, and nothing is kept', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      const code = (who: string, text = 'x') => codeOf(alice.me.send(who, text));
      assert.is(await code(bob.key, 'x'.repeat(61_440)), 'content-too-large');
      assert.is(await code(alice.key), 'bad-input');
      assert.is(await code('nobody'), 'contact-unknown');
      assert.is(await code('not a name!'), 'contact-unknown');
      assert.is(await code(`flexim://elsewhere.example:4321#${bob.key}`), 'other-relay');
      assert.is(alice.me.status.unsettled, 0);
      assert.equal(alice.me.contacts.list(), []);
      await alice.me.send(`flexim://127.0.0.1:${port}#${bob.key}`, 'x'.repeat(61_000));
      await settled(alice);
    }),
  ));

test('read receipts and typing, when both sides want them', () =>
  withRelay(({ port }) =>
    withPeople(
      port,
      async (alice, bob) => {
        await bob.me.contacts.add(alice.key, { name: 'alice' });
        assert.is(await alice.me.sign(bob.key, 'typing'), false, 'never heard of him');
        const id = await alice.me.send(bob.key, 'hello');
        await settled(alice);
        await bob.me.read('alice', id);
        await until(() => alice.me.stateOf(bob.key, id) === 'read', 'read');
        assert.is(await alice.me.sign(bob.key, 'typing'), true);
        await until(() => bob.events.some(({ kind }) => kind === 'sign'), 'typing');
      },
      { readReceipts: true, signs: true },
    ),
  ));

test('the history: pages and search', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      for (let i = 0; i < 30; i++) await alice.me.send(bob.key, `Message ${i}`);
      const bodies = (page: object) => alice.me.history(bob.key, page).map(({ body }) => body);
      const last = alice.me.history(bob.key, { limit: 10 });
      assert.equal(
        last.map(({ body }) => body),
        Array.from({ length: 10 }, (_, i) => `Message ${20 + i}`),
      );
      const before = last[0]?.order as number;
      assert.equal(bodies({ limit: 2, before }), ['Message 18', 'Message 19']);
      assert.equal(bodies({ search: 'MESSAGE 2' }).length, 11);
      const after = last[0]?.order as number;
      assert.equal(bodies({ limit: 2, after }), ['Message 21', 'Message 22']);
      assert.equal(bodies({ after: 0, limit: 1 }), ['Message 0']);
      assert.equal(bodies({ after, before: last[3]?.order }), ['Message 21', 'Message 22']);
      assert.equal(bodies({ after: 0, search: '2', limit: 3 }), [
        ...['Message 2', 'Message 12', 'Message 20'],
      ]);
      assert.equal(bodies({ after: last.at(-1)?.order }), []);
      assert.equal(alice.me.history('nobody'), []);
    }),
  ));

test('a full disk: told once, nothing is said to be sent, and what came comes again', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      const full = new FleximError('store-full', 'the disk is full');
      await alice.me.send(bob.key, 'before');
      await settled(alice);
      alice.disk.before = () => {
        throw full;
      };
      for (let i = 0; i < 3; i++)
        assert.is(await codeOf(alice.me.send(bob.key, 'lost?')), 'store-full');
      const id = await bob.me.send(alice.key, 'for a full disk');
      await until(() => alice.codes().filter((code) => code === 'store-full').length > 3, 'tries');
      assert.equal(alice.got(bob), []);
      assert.is.not(bob.me.stateOf(alice.key, id), 'delivered');
      alice.disk.before = () => {};
      await until(() => alice.got(bob).length === 1, 'it comes again');
      await settled(bob);
      await alice.me.send(bob.key, 'after');
      await settled(alice);
      assert.equal(bob.got(alice), ['before', 'after']);
      const warnings = () => alice.events.filter(({ kind }) => kind === 'warning').length;
      assert.is(warnings(), 1);
      alice.disk.before = () => {
        throw full;
      };
      assert.is(await codeOf(alice.me.send(bob.key, 'again')), 'store-full');
      await until(() => warnings() === 2, 'told again');
      alice.disk.before = () => {};
    }),
  ));

test('a store that failed ends the messenger, and says why', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      const messenger = alice.me;
      alice.disk.before = () => {
        throw new FleximError('store-failed', 'the disk gave an error');
      };
      assert.is(await codeOf(messenger.send(bob.key, 'x')), 'store-failed');
      await until(() => alice.broken !== null, 'the end');
      assert.is((alice.broken as FleximError).code, 'store-failed');
      alice.disk.before = () => {};
      assert.is(await codeOf(messenger.send(bob.key, 'x')), 'store-failed');
    }),
  ));

test('a damaged contact is store-damaged: nothing is opened, nothing forgotten', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      await alice.me.contacts.add(bob.key, { name: 'bob' });
      await alice.close();
      const [name, kept] = [...alice.disk.rows].find(([key]) => key.startsWith('63')) ?? [];
      alice.disk.rows.set(
        name as string,
        (kept as Uint8Array).map((b, i) => (i === 50 ? b ^ 1 : b)),
      );
      const before = new Map(alice.disk.rows);
      assert.is(await codeOf(alice.open()), 'store-damaged');
      assert.equal(alice.disk.rows, before);
      alice.disk.rows.set(name as string, kept as Uint8Array);
      assert.is((await alice.open()).me.contacts.get('bob')?.key, bob.key);
    }),
  ));

test('a clock that was months ahead: what lacks its receipt goes again all the same', () =>
  withRelay(async ({ port }) => {
    let now = Math.floor(Date.now() / 1_000) + 60 * DAY_S;
    const clock = { wall: () => now };
    await withPeople(port, async (alice, bob) => {
      await alice.close();
      await (await alice.open({ clock })).up();
      await bob.me.contacts.add(alice.key, { name: 'alice' });
      await bob.me.contacts.block('alice');
      await alice.me.send(bob.key, 'from the future');
      await until(() => (bob.me.status.counts.blocked ?? 0) > 0, 'it came');
      await bob.me.contacts.unblock('alice');
      now -= 60 * DAY_S;
      await alice.me.tick();
      now += 3_700;
      await alice.me.tick();
      await settled(alice);
      assert.equal(bob.got(alice), ['from the future']);
    });
  }));

test('prekeys that are over: the user reads when, and what his own clock says', () =>
  withRelay(async ({ port }) => {
    const bob = await (await new Person({ port }).open()).up();
    const clock = { wall: () => Date.UTC(2100, 0, 1) / 1_000 };
    const alice = await (await new Person({ port, clock }).open()).up();
    await alice.me.send(bob.key, 'x');
    await until(() => alice.codes().includes('bundle-rejected'), 'told');
    const told = alice.events.find(({ kind }) => kind === 'warning');
    assert.match(told?.kind === 'warning' ? told.error.message : '', /says that it is 2100-01-01/);
    assert.is(alice.me.status.unsettled, 1);
    await Promise.all([alice.close(), bob.close()]);
  }));
test('caught up: when all that was queued is on the disk, at every connection anew', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      await alice.me.send(bob.key, 'first');
      await settled(alice);
      for (const count of [0, 1, 100]) {
        await bob.close();
        const from = bob.events.length;
        const ids: string[] = [];
        for (let i = 0; i < count; i++) ids.push(await alice.me.send(bob.key, `m${i}`));
        const states = () => ids.map((id) => alice.me.stateOf(bob.key, id));
        await until(() => !states().includes('queued'), 'the relay has them');
        await bob.open();
        await until(() => bob.me.status.caughtUp, 'caught up');
        const kinds = bob.events.slice(from).map(({ kind }) => kind);
        const told = kinds.indexOf('caught-up');
        assert.is(kinds.slice(0, told).filter((kind) => kind === 'message').length, count);
        assert.is(kinds.filter((kind) => kind === 'caught-up').length, 1);
        const { clockAhead } = bob.me.status;
        assert.ok(clockAhead !== null && Math.abs(clockAhead) < 60, `${clockAhead}`);
        await settled(alice);
      }
    }),
  ));

test('not caught up while a delivery is not taken yet', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      await bob.close();
      for (const text of ['one', 'two']) await alice.me.send(bob.key, text);
      await until(() => alice.events.filter(({ kind }) => kind === 'state').length === 2, 'kept');
      const gate = withResolvers<void>();
      const { identity, pins } = bob;
      const dial = async () => {
        const link = await dialRelay(port, { identity, pins });
        async function* late() {
          await gate.promise;
          yield* link.deliveries();
        }
        return new Proxy(link, {
          get: (target, name) => {
            const value = name === 'deliveries' ? late : Reflect.get(target, name);
            return typeof value === 'function' ? value.bind(target) : value;
          },
        });
      };
      await (await bob.open({ dial })).up();
      for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
      assert.is(bob.me.status.caughtUp, false);
      gate.resolve();
      await until(() => bob.me.status.caughtUp, 'caught up');
      assert.equal(bob.got(alice), ['one', 'two']);
    }),
  ));

test('why there is no connection; closing gives a dial up', async () => {
  const { port, stop } = await startRelay();
  await stop();
  const alice = await new Person({ port }).open();
  await until(() => alice.me.status.trouble !== null, 'trouble');
  const { code, retryMs } = alice.me.status.trouble ?? {};
  assert.is(code, 'relay-unreachable');
  assert.type(retryMs, 'number');
  await alice.close();
  let given = false;
  const dial = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => {
        given = true;
        reject(new Error('given up'));
      });
    });
  await alice.open({ dial });
  assert.is(alice.me.status.trouble, null);
  await alice.close();
  assert.ok(given);
});

test('in a real store, reopened', () =>
  withRelay(async ({ port }) => {
    const data = temporaryDirectory();
    let store = new Store(data, 'client');
    const bob = await (await new Person({ port }).open()).up();
    const alice = await new Person({ port, store }).open();
    for (let i = 0; i < 5; i++) await alice.me.send(bob.key, `m${i}`);
    await settled(alice);
    await alice.close();
    await store.close();
    store = new Store(data, 'client');
    alice.options = { port, store };
    await (await alice.open()).up();
    assert.is(alice.me.history(bob.key).length, 5);
    await bob.me.send(alice.key, 'answer');
    await until(() => alice.got(bob).length === 1, 'answer');
    await Promise.all([alice.close(), bob.close()]);
    await store.close();
    const other = new Person({ port, store: new Store(data, 'client') }, alice.identity);
    assert.is(await codeOf(other.open()), 'store-damaged');
    await (other.options.store as Store).close();
  }));

test('what the store holds shows no key, no name and no text', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      await alice.me.contacts.add(bob.key, { name: 'roberta' });
      await alice.me.send('roberta', 'a very secret text');
      await settled(alice);
      const all = [...alice.disk.rows].map(
        ([key, value]) => key + Buffer.from(value).toString('hex'),
      );
      for (const word of [
        bob.key,
        ...['roberta', 'secret'].map((w) => Buffer.from(w).toString('hex')),
      ])
        assert.not.ok(
          all.some((row) => row.includes(word)),
          word,
        );
    }),
  ));

test.run();
