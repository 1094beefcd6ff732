// Two chats and a bot on one profile, as processes; the owner is killed at random moments, or leaves, and
// nothing is lost and nothing doubled. Eight that begin in the same instant.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Chance } from '../../model/chance.ts';
import { Member, type Role } from './children.ts';
import { inWorld, newId, until, type World } from './world.ts';

const ROUNDS = 40;
const SEED = 20_260;

const test = suite('cli: processes of one profile');

async function withMembers(
  world: World,
  roles: readonly Role[],
  body: (members: readonly Member[]) => Promise<void>,
): Promise<void> {
  const members = roles.map((role) => new Member(world, role));
  try {
    await until(() => members.every(({ isOpen }) => isOpen), 'all open');
    await body(members);
  } catch (error) {
    for (const { said, stderr } of members)
      console.error(JSON.stringify(said.slice(-20)), stderr.slice(-2_000));
    throw error;
  } finally {
    await Promise.all(members.map((member) => member.end()));
  }
}

/** What was said on both sides is there, each once. */
async function settled(world: World, said: readonly string[], asked: readonly string[]) {
  const got = () => world.bob.got({ key: world.key } as typeof world.bob).map(String);
  const wanted = [...said, ...asked.map((each) => `re: ${each}`)].sort();
  await until(() => {
    void world.bob.me.tick();
    return got().length >= wanted.length;
  }, `${wanted.length} messages`);
  await until(() => world.bob.me.status.unsettled === 0, 'receipts');
  assert.equal(got().sort(), wanted);
}

test(
  `the owner is killed ${ROUNDS} times`,
  inWorld(async (world) => {
    const chance = new Chance(SEED);
    const said: string[] = [];
    const asked: string[] = [];
    await withMembers(world, ['chat', 'chat', 'bot'], async (members) => {
      const chats = members.filter(({ role }) => role === 'chat');
      for (let round = 0; round < ROUNDS; round++) {
        for (const chat of chats)
          for (let i = chance.below(4); i > 0; i--) {
            const text = `said ${said.length}`;
            said.push(text);
            chat.send({ who: world.bob.key, body: text, id: newId() });
          }
        if (chance.oneIn(2)) {
          const text = `asked ${asked.length}`;
          asked.push(text);
          await world.bob.me.send(world.key, text);
        }
        // Some turns later, in the middle of what it does.
        let turns = chance.below(400);
        await until(() => turns-- <= 0, 'some turns');
        await until(() => members.some(({ pid }) => pid === world.owner), 'an owner');
        const owner = members.find(({ pid }) => pid === world.owner) as Member;
        const others = members.filter((each) => each !== owner && each.isOpen);
        const also = chance.oneIn(4) ? others.pop() : null; // perhaps who was about to take over
        await Promise.all([owner.kill(), also?.kill()]);
        for (const other of others)
          await until(() => other.heard('moved') > 0 || other.isOver, 'it moved');
      }
      await until(() => chats.every(({ unsent }) => unsent.size === 0), 'all accepted');
      await settled(world, said, asked);
      for (const { isOver } of members) assert.not.ok(isOver, 'nobody but the killed died');
    });
  }),
);

test(
  'an owner that leaves is followed by another, while messages go both ways',
  inWorld(async (world) => {
    const roles: Role[] = ['bot', 'chat', 'chat'];
    const withOthers = (body: (members: readonly Member[]) => Promise<void>) =>
      withMembers(world, ['chat'], (first) =>
        withMembers(world, roles, (others) => body([...first, ...others])),
      );
    await withOthers(async (members) => {
      const said: string[] = [];
      const asked: string[] = [];
      for (let left = members.length; left > 1; left--) {
        const here = members.filter(({ isOver }) => !isOver);
        await until(() => here.some(({ pid }) => pid === world.owner), 'an owner');
        const owner = here.find(({ pid }) => pid === world.owner) as Member;
        for (const member of here)
          for (let i = 0; i < 10; i++) {
            said.push(`said ${said.length}`);
            member.send({ who: world.bob.key, body: said.at(-1) as string, id: newId() });
          }
        asked.push(`asked ${asked.length}`);
        await world.bob.me.send(world.key, asked.at(-1) as string);
        if (owner.role === 'bot') break; // it has to answer
        await owner.leave();
        // A person who leaves says so only to his own process: what it had not confirmed, he sends again.
        const heir = here.find((each) => each !== owner) as Member;
        for (const letter of owner.unsent.values()) heir.send(letter);
        for (const member of here)
          if (member !== owner) await until(() => member.heard('moved') > 0, 'it moved');
      }
      const here = members.filter(({ isOver }) => !isOver);
      await until(() => here.every(({ unsent }) => unsent.size === 0), 'all accepted');
      await settled(world, said, asked);
    });
  }),
);

test(
  'eight that begin at once: one owner, seven guests, everybody served',
  inWorld(async (world) => {
    await withMembers(world, new Array<Role>(8).fill('chat'), async (members) => {
      assert.is(members.filter(({ pid }) => pid === world.owner).length, 1);
      const said = members.map((_, i) => `hello from ${i}`);
      for (const [i, member] of members.entries())
        member.send({ who: world.bob.key, body: said[i] as string, id: newId() });
      await until(() => members.every(({ unsent }) => unsent.size === 0), 'all accepted');
      await settled(world, said, []);
    });
  }),
);

test.run();
