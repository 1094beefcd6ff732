// Two chats and a bot on one profile, as processes; the owner is killed at random moments, and nothing is
// lost and nothing doubled.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { turn } from '../../channel.ts';
import { Chance } from '../../model/chance.ts';
import { type Member, settled, until, withMembers } from './children.ts';
import { inWorld, newId } from './world.ts';

const ROUNDS = 20;
const SEED = 20_260;

const test = suite('cli: owners that are killed');

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
        for (let turns = chance.below(400); turns > 0; turns--) await turn();
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

test.run();
