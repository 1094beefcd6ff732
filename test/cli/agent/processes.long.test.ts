// Processes of one profile: an owner that leaves, eight that begin in the same instant, an owner that is
// suspended, a damaged store. Owners that are killed: killed.long.test.ts.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fails } from '../../keystore/tools.ts';
import { type Member, type Role, settled, until, withMembers } from './children.ts';
import { heard, inWorld, newId } from './world.ts';

const test = suite('cli: processes of one profile');

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

test(
  'an owner that is suspended: who comes is told, who is in is warned, and nothing is lost',
  inWorld(async (world) => {
    await withMembers(world, ['chat'], async (owners) => {
      const [owner] = owners as [Member];
      const guest = await world.open();
      const events = heard(guest);
      owner.signal('SIGSTOP');
      try {
        const sent = guest.ask('send', world.bob.key, { body: 'patience' }, newId());
        await fails(() => world.open(), 'store-busy', 'suspended');
        const isWarned = () =>
          events.some((e) => e.kind === 'warning' && e.error.message.includes(`${owner.pid}`));
        await until(isWarned, 'a warning');
        owner.signal('SIGCONT');
        await sent;
      } finally {
        owner.signal('SIGCONT');
      }
      await settled(world, ['patience'], []);
    });
  }),
);

test(
  'a damaged store: the remedy is a command that there is for it',
  inWorld(async (world) => {
    await (await world.open()).close();
    const store = join(world.profile, 'client.lmdb');
    const bytes = readFileSync(store);
    writeFileSync(store, bytes.fill(0xa5, 0, bytes.length / 2));
    writeFileSync(`${store}.open`, '{}\n');
    const remedy = `flexim doctor --recover --as alice --data ${world.data}`;
    await fails(() => world.open(), 'store-damaged', remedy);
    await fails(() => world.open(), 'store-damaged', remedy);
  }),
);

test.run();
