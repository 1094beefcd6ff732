// Who may come in: each limit alone, with a clock of our own, and what the operator hears of it.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Log, silent } from '../../src/lib/log.ts';
import { countShut, Doors } from '../../src/relay/doors.ts';
import { Drops } from '../../src/relay/drops.ts';
import { DEFAULT_LIMITS, type Limits, liveLimits } from '../../src/relay/limits.ts';
import { Logins } from '../../src/relay/logins.ts';
import { FakeClock } from '../clock.ts';
import { CROWD } from '../relay.ts';

interface Line {
  readonly message: string;
  readonly reason: string;
  readonly count: number;
}

/** Doors with these limits and no others. */
function house(limits: Partial<Limits>) {
  const clock = new FakeClock();
  const drops = new Drops();
  const lines: Line[] = [];
  const warn = (fields: object, message: string) => lines.push({ ...(fields as Line), message });
  const log: Log = { ...silent, warn };
  const all = liveLimits({ ...DEFAULT_LIMITS, ...CROWD, ...limits });
  const doors = new Doors({ limits: all, clock, shut: countShut(drops, log) });
  return { clock, drops, lines, limits: all, doors, logins: new Logins(all, clock) };
}

/** How many of so many tries are let in. */
function tries(doors: Doors, count: number, address: (n: number) => string): number {
  let entered = 0;
  for (let n = 0; n < count; n++) if (doors.enter(address(n))) entered++;
  return entered;
}

const test = suite('doors');

test('connections in all: no more than the limit at once, from whatever address', () => {
  const { doors, drops } = house({ connections: 5 });
  assert.is(
    tries(doors, 9, (n) => `${n}`),
    5,
  );
  assert.equal(drops.totals(), { 'connections-full': 4 });
  doors.leave('2');
  assert.is(
    tries(doors, 3, () => 'x'),
    1,
  );
  assert.is(doors.connections, 5);
});

test('connections of one address: the others still come in', () => {
  const { doors, drops } = house({ connectionsPerAddress: 3 });
  assert.is(
    tries(doors, 5, () => 'a'),
    3,
  );
  assert.is(
    tries(doors, 2, () => 'b'),
    2,
  );
  assert.equal(drops.totals(), { 'address-full': 2 });
  doors.leave('a');
  assert.ok(doors.enter('a'));
  assert.not.ok(doors.enter('a'));
  for (let i = 0; i < 3; i++) doors.leave('a');
  for (let i = 0; i < 2; i++) doors.leave('b');
  assert.is(doors.connections, 0);
});

test('new connections of one address a second, beyond the burst', () => {
  const { doors, drops, clock } = house({ connectsPerSecond: 2, connectsBurst: 4 });
  const come = (address: string) => {
    const entered = doors.enter(address);
    if (entered) doors.leave(address);
    return entered;
  };
  assert.equal([1, 2, 3, 4, 5, 6].map(() => come('a')).filter(Boolean).length, 4);
  assert.ok(come('b'));
  assert.equal(drops.totals(), { 'address-fast': 2 });
  clock.pass(500);
  assert.equal([come('a'), come('a')], [true, false]);
});

test('new connections in all a second, beyond the burst; those of a hasty address are not charged to all', () => {
  const { doors, drops, clock } = house({
    arrivalsPerSecond: 10,
    arrivalsBurst: 5,
    connectsPerSecond: 1,
    connectsBurst: 2,
  });
  assert.is(
    tries(doors, 100, () => 'hasty'),
    2,
  );
  assert.ok(doors.isOpen());
  for (let n = 0; n < 3; n++) assert.ok(doors.isOpen() && doors.enter(`${n}`));
  assert.not.ok(doors.isOpen());
  doors.turnedAway();
  assert.equal(drops.totals(), { 'address-fast': 98, 'connections-fast': 1 });
  clock.pass(100);
  assert.equal([doors.isOpen(), doors.enter('x'), doors.isOpen()], [true, true, false]);
});

test('logins a minute and new keys an hour, with the seconds to wait', () => {
  const { logins, clock } = house({ loginsPerMinute: 6, newKeysPerHour: 3 });
  for (let i = 0; i < 6; i++) assert.is(logins.try('a'), 0);
  assert.is(logins.try('a'), 10);
  assert.is(logins.try('b'), 0);
  for (let i = 0; i < 3; i++) assert.is(logins.newKey('a'), 0);
  assert.is(logins.newKey('a'), 1_200);
  clock.pass(9_500);
  assert.is(logins.try('a'), 1, 'never 0 for a wait');
  clock.pass(500);
  assert.is(logins.try('a'), 0);
});

test('0 is no limit, for each of them', () => {
  const { doors, logins, drops } = house({});
  assert.is(
    tries(doors, 20_000, () => 'a'),
    20_000,
  );
  for (let i = 0; i < 1_000; i++) assert.is(logins.try('a') + logins.newKey('a'), 0);
  assert.equal(drops.totals(), {});
});

test('a limit that changes holds from then on', () => {
  const { doors, limits } = house({ connections: 1 });
  assert.equal([doors.enter('a'), doors.enter('a')], [true, false]);
  limits.connections = 2;
  assert.equal([doors.enter('a'), doors.enter('a')], [true, false]);
  limits.connections = 1;
  doors.leave('a');
  assert.not.ok(doors.enter('a'));
});

test('a flood is logged at once, then summed up once a minute, then not at all', async () => {
  const { doors, lines, clock } = house({ connections: 1 });
  await clock.during(() => {
    doors.enter('a');
    for (let i = 0; i < 100; i++) doors.enter('a');
    assert.equal(
      lines.map(({ reason, count }) => [reason, count]),
      [['connections-full', 1]],
    );
    clock.pass(59_990);
    assert.is(lines.length, 1);
    clock.pass(20);
    assert.is(lines[1]?.count, 99);
    clock.pass(60_000);
    assert.is(lines.length, 2, 'nothing came');
    doors.enter('a');
    assert.is(lines[2]?.count, 1);
    doors.missed();
    assert.is(lines[3]?.reason, 'no-descriptors');
    for (const line of lines) assert.not.match(JSON.stringify(line), /"a"/);
  });
});

test.run();
