// Several agents on one profile: who owns, who is served, and what happens when the owner ends.

import { chmodSync, existsSync, lstatSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Message } from '../../../src/client/events.ts';
import { FleximError } from '../../../src/lib/errors.ts';
import { fails, modeOf } from '../../keystore/tools.ts';
import { heard, inWorld, newId, texts, until, up } from './world.ts';

const test = suite('cli: one profile, several agents');

test(
  'the first owns, the second is served: verbs, events, errors as if they were one',
  inWorld(async (world) => {
    const [owner, guest] = [await world.open(), await world.open()];
    const events = heard(guest);
    await up(guest);
    assert.equal(guest.me, owner.me);
    const { peer } = await guest.ask('send', world.bob.key, { body: 'from the guest' }, newId());
    assert.is(peer, world.bob.key);
    await owner.ask('send', world.bob.key, { body: 'from the owner', flags: ['NOTIFY'] }, newId());
    await until(() => world.bob.me.unread().length === 2, 'both messages');
    await world.bob.me.send(world.key, 'hello you two');
    await until(() => texts(events).length === 1, 'an answer');
    while ((await owner.ask('status')).unsettled > 0)
      await new Promise((resolve) => setImmediate(resolve));
    const page = await guest.ask('history', world.bob.key, {});
    assert.equal(page, await owner.ask('history', world.bob.key, {}));
    assert.equal(page.map(({ body }) => body).sort(), [
      ...['from the guest', 'from the owner', 'hello you two'],
    ]);
    assert.equal(await guest.ask('contacts'), await owner.ask('contacts'));
    assert.equal(await guest.ask('unread'), await owner.ask('unread'));
    assert.is((await guest.ask('rename', world.bob.key, 'bobby')).name, 'bobby');
    assert.is((await owner.ask('contact', 'bobby'))?.key, world.bob.key);
    assert.is(await guest.ask('contact', 'nobody'), null);
    await guest.ask('read', 'bobby', null);
    assert.equal(await owner.ask('unread'), []);
    await fails(() => guest.ask('rename', 'nobody', 'x'), 'contact-unknown', 'nobody');
    await fails(() => guest.ask('send', 'bobby', { body: 'x' }, 'no id'), 'malformed');
    await fails(
      () => guest.ask('send', 'bobby', { body: 'x'.repeat(200_000) }, newId()),
      'content-too-large',
    );
    await guest.ask('remove', 'bobby');
    assert.is(await owner.ask('contact', 'bobby'), null);
  }),
);

test(
  'bodies of any shape, as deep as they may be; long histories page by page',
  inWorld(async (world) => {
    const [owner, guest] = [await world.open(), await world.open()];
    await owner.ask('add', world.bob.key, 'bob');
    const deep = (n: number): unknown => (n === 0 ? Uint8Array.of(1, 2) : [deep(n - 1)]);
    for (const body of [null, { a: [1, 'two'] }, deep(14)])
      await guest.ask('send', 'bob', { body }, newId());
    const bodies = (page: readonly Message[]) => page.map(({ order, body }) => [order, body]);
    const whole = bodies(await owner.ask('history', 'bob', {}));
    assert.equal(bodies(await guest.ask('history', 'bob', {})), whole);
    await Promise.all(
      Array.from({ length: 300 }, (_, i) => guest.ask('send', 'bob', { body: `n${i}` }, newId())),
    );
    const all = await guest.ask('history', 'bob', { limit: Number.POSITIVE_INFINITY });
    const same = await owner.ask('history', 'bob', { limit: Number.POSITIVE_INFINITY });
    assert.equal(bodies(all), bodies(same));
    assert.is(all.length, 303);
    assert.is(all.at(-1)?.body, 'n299', 'in the order in which they were asked');
    const some = await guest.ask('history', 'bob', { limit: 260, search: 'N' });
    assert.equal(bodies(some), bodies(all.slice(-260)));
    const page = { limit: 270, before: all[290]?.order as number };
    assert.equal(bodies(await guest.ask('history', 'bob', page)), bodies(all.slice(20, 290)));
  }),
);

test(
  'an owner that closes: a guest takes over, asks again, and says that things moved',
  inWorld(async (world) => {
    const owner = await world.open();
    const guests = [await world.open(), await world.open()] as const;
    const told = guests.map(heard);
    await up(owner);
    const sent = Array.from({ length: 50 }, (_, i) =>
      guests[(i % 2) as 0 | 1].ask('send', world.bob.key, { body: `m${i}` }, newId()),
    );
    await owner.close();
    await Promise.all(sent);
    for (const guest of guests) await up(guest);
    await until(() => told.every((e) => e.some(({ kind }) => kind === 'moved')), 'moved');
    await until(() => world.bob.me.unread().length === 50, 'all of them');
    const bodies = world.bob.me.unread().map(({ body }) => body);
    assert.is(new Set(bodies).size, 50);
    await fails(() => owner.ask('contacts'), 'closed');
    await guests[0].close();
    await guests[1].ask('contacts');
  }),
);

test(
  'the socket is ours alone, and goes with the owner; one that is left over is in nobody’s way',
  inWorld(async (world) => {
    const owner = await world.open();
    const socket = join(world.profile, 'socket');
    assert.is(modeOf(socket), '600');
    assert.is(modeOf(world.profile), '700');
    assert.ok(lstatSync(socket).isSocket());
    await owner.close();
    assert.not.ok(existsSync(socket));
    writeFileSync(socket, 'a file');
    await fails(() => world.open(), 'key-exposed', 'no socket');
    assert.is(readFileSync(socket, 'utf8'), 'a file');
  }),
);

test(
  'a socket that others may use is not spoken to',
  inWorld(async (world) => {
    await world.open();
    chmodSync(join(world.profile, 'socket'), 0o666);
    await fails(() => world.open(), 'key-exposed', 'mode 0666');
  }),
);

test(
  'a directory whose path is too long for a socket',
  inWorld(
    async (world) => {
      const [owner, guest] = [await world.open(), await world.open()];
      const place = readFileSync(join(world.profile, 'socket.at'), 'utf8');
      assert.ok(place.length < 104, place);
      assert.is(modeOf(place), '600');
      assert.is(statSync(join(place, '..')).mode & 0o777, 0o700);
      assert.is((await guest.ask('add', world.bob.key, 'bob')).name, 'bob');
      await owner.close();
      assert.is((await guest.ask('contact', 'bob'))?.key, world.bob.key);
      await guest.close();
      assert.not.ok(existsSync(place));
      assert.not.ok(existsSync(join(world.profile, 'socket.at')));
    },
    { data: `${'long-'.repeat(20)}/data` },
  ),
);

test(
  'a guest needs no passphrase while an owner lives, and says so when none does',
  inWorld(
    async (world) => {
      await fails(() => world.open(), 'passphrase-needed');
      const { openSync } = await import('node:fs');
      const secret = join(world.home, 'secret');
      writeFileSync(secret, 'correct horse\n', { mode: 0o600 });
      const fd = () => ({ 'passphrase-fd': openSync(secret, 'r') });
      const owner = await world.open(fd());
      const guest = await world.open();
      const heir = await world.open(fd());
      await guest.ask('add', world.bob.key, 'bob');
      await owner.close();
      assert.is((await guest.ask('contact', 'bob'))?.name, 'bob', 'who has the key takes over');
      const events = heard(guest);
      await heir.close();
      await fails(() => guest.ask('contact', 'bob'), 'passphrase-needed', 'Start another');
      assert.ok(events.some((e) => e.kind === 'down' && e.error.code === 'passphrase-needed'));
      await world.open(fd());
      await until(() => events.some(({ kind }) => kind === 'moved'), 'a new owner');
      assert.is((await guest.ask('contact', 'bob'))?.name, 'bob');
    },
    { passphrase: 'correct horse' },
  ),
);

test(
  'the relay: remembered after a login, named by a guest, another one refused',
  inWorld(async (world) => {
    const owner = await world.open();
    await up(owner);
    const status = await owner.ask('status');
    assert.is(readFileSync(join(world.profile, 'relay'), 'utf8'), world.place);
    const named = `flexim://localhost:${world.relay.port}?relay=${status.relay?.key}`;
    for (const relay of [null, world.place, `flexim://${world.place}`, named])
      await (await world.open({ relay })).close();
    await fails(() => world.open({ relay: '127.0.0.1:1' }), 'other-relay', world.place);
    const guest = await world.open({ relay: null });
    await owner.close();
    await up(guest);
    await guest.close();
    await up(await world.open({ relay: null }));
  }),
);

test(
  'who closes has nothing pending: each request fails',
  inWorld(async (world) => {
    await world.open();
    const guest = await world.open();
    const asked = guest.ask('find', 'bob').catch((error) => error);
    await guest.close();
    const answer = await asked;
    assert.ok(answer instanceof FleximError && answer.code === 'closed', String(answer));
    await fails(() => guest.ask('contacts'), 'closed');
    for await (const _ of guest.events()) assert.unreachable();
  }),
);

test.run();
