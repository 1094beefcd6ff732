// Conversations in which the power goes, on either side, at chosen or at random points.

import * as assert from 'uvu/assert';
import { Chance } from '../model/chance.ts';
import { startRelay, type TestRelay, temporaryDirectory, withRelay } from '../relay.ts';
import { until } from '../scene.ts';
import { Person, START } from './person.ts';

/** Sends until it is accepted; the id makes that safe to repeat. */
export async function say(from: Person, to: Person, text: string, n: number): Promise<void> {
  const id = n.toString(16).padStart(32, '0');
  for (;;)
    try {
      await from.me.send(to.key, text, { id });
      return;
    } catch (error) {
      if (from.died === null) throw error;
      await again(from);
    }
}

async function again(person: Person): Promise<void> {
  await person.crash();
  person.died = null;
  await person.open();
}

/** The power of one of them goes after so many points; the points where it went. */
export function conversation(
  whose: 'alice' | 'bob',
  fuses: readonly number[],
): Promise<Set<string>> {
  const points = new Set<string>();
  return withRelay(async ({ port }) => {
    for (const fuse of fuses) {
      const [alice, bob] = [new Person({ port }), new Person({ port })];
      await Promise.all([alice.open(), bob.open()]);
      await Promise.all([alice.up(), bob.up()]);
      const victim = whose === 'alice' ? alice : bob;
      victim.fuse = fuse;
      const isDone = async (done: () => boolean, what: string) => {
        for (let isOver = false; !isOver; ) {
          await until(() => victim.died !== null || (victim.isThere && done()), what);
          if (victim.died === null) isOver = true;
          else {
            points.add(victim.died);
            await again(victim);
          }
        }
      };
      await say(alice, bob, 'one', 1);
      await isDone(() => bob.got(alice).length === 1, 'one');
      await say(bob, alice, 'two', 2);
      await isDone(() => alice.got(bob).length === 1, 'two');
      await say(alice, bob, 'three', 3);
      await isDone(() => bob.got(alice).length === 2, 'three');
      await isDone(() => alice.me.status.unsettled + bob.me.status.unsettled === 0, 'receipts');
      assert.equal([bob.got(alice), alice.got(bob)], [['one', 'three'], ['two']]);
      await Promise.all([alice.close(), bob.close()]);
    }
  }).then(() => points);
}

/** Rounds of speaking, crashing, leaving and coming, and of a relay that restarts. */
export async function rounds(seed: number, count: number): Promise<void> {
  const chance = new Chance(seed);
  const data = temporaryDirectory();
  let relay: TestRelay = await startRelay({ data });
  const { port, identity } = relay;
  let now = START;
  const clock = { wall: () => now };
  const people = [new Person({ port, clock }), new Person({ port, clock })] as const;
  const said = [[], []] as [string[], string[]];
  await Promise.all(people.map((person) => person.open()));
  await Promise.all(people.map((person) => person.up()));
  for (let round = 0; round < count; round++) {
    const i = chance.below(2) as 0 | 1;
    const [one, other] = [people[i], people[1 - i] as Person];
    const dice = chance.below(10);
    for (const person of people) if (person.died !== null) await again(person);
    if (dice < 6) {
      const text = `${i} says ${round}`;
      said[i].push(text);
      await say(one, other, text, round + 1);
    } else if (dice < 8) one.fuse = chance.below(12);
    else if (dice < 9) await again(one);
    else if (chance.oneIn(4)) {
      await relay.stop();
      relay = await startRelay({ data, port, identity });
    }
  }
  for (const person of people) {
    person.fuse = -1;
    if (person.died !== null) await again(person);
  }
  await Promise.all(people.map((person) => person.up()));
  const isSettled = () => people.every(({ me }) => me.status.unsettled === 0);
  // A receipt that died with a connection comes when its message comes again.
  for (let hour = 0; hour < 100 && !isSettled(); hour++) {
    let turns = 0;
    await until(() => isSettled() || turns++ > 500, 'some turns');
    now += 3_600;
    await Promise.all(people.map(({ me }) => me.tick()));
  }
  assert.ok(isSettled(), `seed ${seed}: not settled`);
  const missing = (i: 0 | 1) => {
    const got = people[1 - i]?.got(people[i]) as string[];
    assert.equal(got.toSorted(), said[i].toSorted(), `seed ${seed}, from ${i}`);
  };
  missing(0);
  missing(1);
  await Promise.all(people.map((person) => person.close()));
  await relay.stop();
}
