// Whom one talks to: pinned aliases, changed keys, lying relays, other stores of one identity.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newIdentity } from '../../src/crypto/identity.ts';
import { randomBytes } from '../../src/crypto/sodium.ts';
import { makeOneTimePrekey, makeSignedPrekey } from '../../src/fe1/prekeys.ts';
import type { Delivery, Link } from '../../src/protocols/protocol.ts';
import { codeOf } from '../protocols/flexim/links.ts';
import { dialRelay, memoryPins, withRelay } from '../relay.ts';
import { until } from '../scene.ts';
import { Person, START, withPeople } from './person.ts';

const test = suite('client: trust');
const settled = (...people: Person[]) =>
  until(() => people.every(({ me }) => me.status.unsettled === 0), 'every receipt');

/** A dial whose links lie as told. */
function lying(person: Person, lie: (link: Link) => Partial<Link>): () => Promise<Link> {
  return async () => {
    const { identity, pins, options } = person;
    const link = await dialRelay(options.port, { identity, pins, reconnect: null });
    const lies = lie(link);
    return new Proxy(link, {
      get: (target, name) => {
        const value = Reflect.get(name in lies ? lies : target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
}

test('an alias is pinned; when the relay names another key, sending stops until it is accepted', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      const his = await dialRelay(port);
      const bobs = bob.me;
      let named = bob.key;
      const dial = lying(alice, ({ directory }) => ({
        directory: directory && {
          ...directory,
          find: async () => ({ key: named, aliases: ['bob'], lastSeen: 0 }),
        },
      }));
      await alice.close();
      await (await alice.open({ dial })).up();
      await alice.me.send('bob', 'one');
      await settled(alice);
      assert.equal(alice.me.contacts.get('bob')?.alias, 'bob');
      await alice.me.contacts.verify('bob');
      const mallory = await (await new Person({ port }).open()).up();
      named = mallory.key;
      assert.is((await alice.me.contacts.add('bob')).changedTo, mallory.key);
      await until(() => alice.events.some(({ kind }) => kind === 'contact-changed'), 'told');
      assert.is(await codeOf(alice.me.send('bob', 'two')), 'contact-changed');
      assert.is(await codeOf(alice.me.contacts.trust('bob')), 'contact-changed', 'was verified');
      await bobs.send(alice.key, 'still me');
      await settled(bob);
      const now = await alice.me.contacts.trust('bob', { compared: true });
      assert.equal([now.key, now.verified, now.changedTo], [mallory.key, true, null]);
      await alice.me.send('bob', 'three');
      await settled(alice);
      assert.equal([bob.got(alice), mallory.got(alice)], [['one'], ['three']]);
      assert.equal(alice.me.contacts.get(bob.key)?.name, 'bob.old');
      assert.is(alice.me.history('bob').length, 1, 'histories are not joined');
      await Promise.all([his.close(), mallory.close()]);
    }),
  ));

test('another key, another bundle: nothing leaves, and the user is told', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      const thief = newIdentity();
      const install = randomBytes(16);
      const options = { install, seq: START, expires: START + 9e6, spkId: 3 };
      const spr = makeSignedPrekey(thief, options, randomBytes).record.bytes;
      const otk = makeOneTimePrekey(thief, { install, otkId: 1 }, randomBytes).record.bytes;
      const sent: Uint8Array[] = [];
      const dial = lying(alice, (link) => ({
        prekeys: link.prekeys && { ...link.prekeys, fetch: async () => ({ spr, otk }) },
        send: (to, bytes, how) => {
          sent.push(bytes);
          return link.send(to, bytes, how);
        },
      }));
      await alice.close();
      await (await alice.open({ dial })).up();
      await alice.me.send(bob.key, 'for bob alone');
      await until(() => alice.codes().includes('bundle-rejected'), 'told');
      assert.equal(sent, []);
      assert.is(alice.me.status.unsettled, 1);
      await alice.close();
      await (await alice.open()).up();
      await settled(alice);
      assert.equal(bob.got(alice), ['for bob alone']);
    }),
  ));

test('a one-time record of somebody else is passed over and counted', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      const otk = makeOneTimePrekey(
        newIdentity(),
        { install: randomBytes(16), otkId: 1 },
        randomBytes,
      );
      const dial = lying(alice, ({ prekeys }) => ({
        prekeys: prekeys && {
          ...prekeys,
          fetch: async (key) => {
            const got = await prekeys.fetch(key);
            return got && { ...got, otk: otk.record.bytes };
          },
        },
      }));
      await alice.close();
      await (await alice.open({ dial })).up();
      await alice.me.send(bob.key, 'without');
      await settled(alice);
      assert.is(alice.me.status.counts['one-time key rejected'], 1);
    }),
  ));

test('a relay that repeats and reorders, and brings what is not ours', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      const nothing = () => {};
      const dial = lying(bob, (link) => ({
        deliveries: () =>
          shuffled(link.deliveries(), [randomBytes(600), Buffer.from('plain text')]),
      }));
      await bob.close();
      await (await bob.open({ dial })).up();
      for (let i = 0; i < 24; i++) await alice.me.send(bob.key, `m${i}`);
      await settled(alice);
      const expected = Array.from({ length: 24 }, (_, i) => `m${i}`);
      assert.equal((bob.got(alice) as string[]).toSorted(), expected.toSorted());
      const { counts } = bob.me.status;
      assert.ok((counts['envelope-duplicate'] ?? 0) >= 20, JSON.stringify(counts));
      assert.ok((counts['envelope-rejected'] ?? 0) >= 2);
      nothing();
    }),
  ));

/** Pairs change places, everything comes twice, strangers' bytes between. */
async function* shuffled(real: AsyncIterable<Delivery>, strange: Uint8Array[]) {
  let held: Delivery | null = null;
  for (const envelope of strange) yield { envelope, done: () => {} };
  for await (const delivery of real) {
    const again = { envelope: delivery.envelope, done: () => {} };
    if (held) yield* [delivery, held, again];
    else yield again; // it is safe when this one is
    held = held ? null : delivery;
  }
}

test('restored with a new store: elsewhere, unless taken over; then a new session by itself', () =>
  withRelay(async ({ port }) => {
    let now = START;
    const clock = { wall: () => now };
    const [alice, bob] = [new Person({ port, clock }), new Person({ port, clock })];
    await Promise.all([alice.open(), bob.open()]);
    await Promise.all([alice.up(), bob.up()]);
    await alice.me.send(bob.key, 'one');
    await bob.me.send(alice.key, 'two');
    await settled(alice, bob);
    await bob.close();
    const waiting = await alice.me.send(bob.key, 'three');
    await until(() => alice.me.stateOf(bob.key, waiting) === 'accepted', 'queued');
    now += 60;
    const again = await new Person({ port, clock }, bob.identity).open();
    await until(() => again.codes().includes('identity-elsewhere'), 'elsewhere');
    assert.is(again.me.status.relay, null);
    assert.is(again.me.status.published, false);
    await again.close();
    await (await again.open({ takeOver: true })).up();
    assert.equal(again.got(alice), [], 'what the old store had is gone');
    // Alice learns of it from the signed record, an hour later, and sends again what had no receipt.
    now += 3_600;
    await alice.me.tick();
    await settled(alice);
    assert.equal(again.got(alice), ['three']);
    await again.me.send(alice.key, 'four');
    await settled(alice, again);
    assert.equal(alice.got(bob), ['two', 'four']);
    await (await bob.open()).me.tick();
    await until(() => bob.codes().includes('identity-elsewhere'), 'the old store stops');
    await Promise.all([alice.close(), bob.close(), again.close()]);
  }));

test('blocked: nothing is shown or answered, and it comes when he is unblocked', () =>
  withRelay(async ({ port }) => {
    let now = START;
    const clock = { wall: () => now };
    await withPeople(
      port,
      async (alice, bob) => {
        await bob.me.contacts.add(alice.key, { name: 'alice' });
        await bob.me.contacts.block('alice');
        assert.is(await codeOf(bob.me.send('alice', 'x')), 'contact-blocked');
        await alice.me.send(bob.key, 'hello');
        await until(() => (bob.me.status.counts.blocked ?? 0) > 0, 'it came');
        assert.equal(bob.got(alice), []);
        await bob.me.contacts.unblock('alice');
        assert.is(alice.me.status.unsettled, 1);
        now += 3_700;
        await alice.me.tick();
        await settled(alice);
        assert.equal(bob.got(alice), ['hello']);
      },
      { clock },
    );
  }));

test('names are one each; safety numbers are the same on both sides', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      const { contacts } = alice.me;
      await contacts.add(bob.key, { name: 'bob' });
      assert.is(await codeOf(contacts.add('aa'.repeat(32), { name: 'BOB' })), 'contact-exists');
      await contacts.rename('bob', 'robert');
      assert.is(contacts.get('bob'), null);
      await bob.me.contacts.add(alice.key);
      assert.is(contacts.safetyNumber('robert'), bob.me.contacts.safetyNumber(alice.key));
      await contacts.remove('robert');
      assert.equal(contacts.list(), []);
      assert.is(memoryPins().map.size, 0);
    }),
  ));

test.run();
