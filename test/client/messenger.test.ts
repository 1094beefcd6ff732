// Two messengers and a real relay.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withResolvers } from '../../src/lib/queue.ts';
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
      assert.equal(alice.me.history('nobody'), []);
    }),
  ));

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
