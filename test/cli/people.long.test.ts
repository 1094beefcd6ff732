// contacts, verify, trust, names at the relay and status as whole programs.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DAY_S, systemClock } from '../../src/lib/time.ts';
import { Person, withTwo } from './two.ts';

const CONTACT = [
  ...['key', 'name', 'alias', 'added', 'verified', 'blocked', 'changedTo', 'unread', 'at'],
];
const people = suite('cli: people');

people(
  'contacts: added by alias or key, renamed, blocked, removed; most of it without a relay',
  withTwo(async ({ alice, bob, relay }) => {
    assert.is(await alice.ok('contacts'), '');
    const [added] = await alice.json('contacts add bob bobby');
    assert.equal(Object.keys(added ?? {}), CONTACT);
    assert.equal([added?.key, added?.name, added?.alias], [bob.key, 'bobby', 'bob']);
    await alice.fails('contacts add nobody', [67, 'contact-unknown']);
    await relay.stop();
    const other = 'ab'.repeat(32);
    await alice.ok(`contacts add ${other} carol`);
    await alice.fails(`contacts add ${other} bobby`, [65, 'contact-exists']);
    await alice.fails('contacts add dave --timeout 100ms', [69, 'relay-unreachable']);
    await alice.ok('contacts rename bobby robert');
    assert.match(await alice.ok('contacts block carol'), /^carol {2}(ab){32} {2}blocked\n$/);
    const listed = await alice.ok('contacts list');
    assert.equal(listed.split('\n').sort().slice(1), [
      `carol   ${other}  blocked`,
      `robert  ${bob.key}  alias bob`,
    ]);
    await alice.ok('contacts unblock carol');
    await alice.ok('contacts remove carol');
    await alice.fails('contacts remove carol', [67, 'contact-unknown']);
    assert.equal(
      (await alice.json('contacts')).map(({ name, at }) => [name, at]),
      [['robert', null]],
    );
    const at = '127.0.0.1:7776';
    assert.is((await alice.json(`contacts add robert --at ${at}`))[0]?.at, at);
    assert.match(await alice.ok('contacts'), /127\.0\.0\.1:7776/);
    await alice.fails('contacts add robert --at somewhere', [64, 'bad-address']);
    assert.is((await alice.json('contacts add robert --at none'))[0]?.at, null);
  }),
);

people(
  'verify: the same number at both ends, without a relay; noted, and taken back',
  withTwo(async ({ alice, bob, relay }) => {
    await alice.ok('contacts add bob');
    await bob.ok('contacts add alice');
    await relay.stop();
    const number = await alice.ok('verify bob');
    assert.match(number, /^((\d{5} ){3}\d{5}\n){3}$/);
    assert.is(await bob.ok('verify alice'), number);
    const [shown] = await alice.json('verify bob');
    assert.equal(Object.keys(shown ?? {}), [...CONTACT, 'number', 'code']);
    assert.is(shown?.code, `FXSN1:${alice.key}${bob.key}`);
    assert.is(shown?.verified, false);
    assert.is((await alice.json('verify bob --yes'))[0]?.verified, true);
    assert.match(await alice.ok('contacts'), / verified\n$/);
    assert.is((await alice.json('verify bob --no'))[0]?.verified, false);
    await alice.fails('verify bob --yes --no', [64, 'usage']);
    await alice.fails('verify carol', [67, 'contact-unknown']);
    assert.match(await alice.fails('trust bob', [65, 'bad-input']), /has not changed/);
  }),
);

let ahead = 0;
const clock = { ...systemClock, wall: () => systemClock.wall() + ahead };

people(
  'trust: a name that goes to another key stops what is sent; who was verified is compared again',
  withTwo(
    async ({ alice, bob }) => {
      await alice.ok('send bob one');
      await alice.ok('verify bob --yes');
      await bob.ok('unregister bob');
      ahead = 400 * DAY_S; // longer than a name is held back
      const mallory = await new Person(bob.port).make('bob');
      try {
        await mallory.ok('receive');
        ahead = 0;
        const [now] = await alice.json('contacts add bob');
        assert.is(now?.changedTo, mallory.key);
        const said = await alice.fails('send bob two', [77, 'contact-changed']);
        assert.match(said, /another key for bob/);
        const refused = await alice.run('trust bob');
        assert.is(refused.code, 77);
        assert.match(refused.stdout, new RegExp(`^new key {2}${mallory.key}\n(\\d{5} ){3}`));
        assert.match(refused.stderr, /flexim trust bob --compared \[contact-changed\]/);
        const [trusted] = await alice.json('trust bob --compared');
        assert.equal([trusted?.key, trusted?.verified], [mallory.key, true]);
        assert.is(trusted?.number, (await alice.json('verify bob'))[0]?.number);
        await alice.ok('send bob three');
        assert.match(await mallory.ok('receive'), /^[^\n]*: three\n$/);
        assert.match(await bob.ok('receive'), /^[^\n]*: one\n$/);
      } finally {
        mallory.home.remove();
      }
    },
    { clock },
  ),
);

people(
  'names at the relay, and where one stands with it',
  withTwo(async ({ alice, bob, relay }) => {
    const [mine] = await alice.json('register wonder');
    assert.equal(mine?.aliases, ['alice', 'wonder']);
    assert.match(
      await bob.fails('register alice', [75, 'command-refused']),
      /somebody else has that alias/,
    );
    const all = await bob.json('roster');
    assert.equal(
      all.map(({ key }) => key),
      [alice.key, bob.key],
    );
    assert.match(await bob.ok('roster won'), new RegExp(`^alice, wonder {2}${alice.key} `));
    assert.equal((await alice.json('unregister wonder'))[0]?.aliases, ['alice']);
    assert.is(await bob.ok('roster won'), '');
    const [status] = await alice.json('status');
    assert.equal(Object.keys(status ?? {}), [
      ...['name', 'key', 'relay', 'node', 'problem', 'published', 'oneTimeKeys', 'unsettled'],
      ...['clockAhead', 'contacts', 'unread'],
    ]);
    assert.equal([status?.name, status?.key, status?.problem], ['alice', alice.key, null]);
    assert.match(await bob.ok('status'), /^relay {5}test relay, flexim:\/\/127\.0\.0\.1:/m);
    await relay.stop();
    const down = await alice.run('status --json --timeout 100ms');
    assert.is(down.code, 69);
    assert.equal(JSON.parse(down.stdout).problem, 'relay-unreachable');
    await alice.fails('roster --timeout 100ms', [69, 'relay-unreachable']);
  }),
);

people.run();
