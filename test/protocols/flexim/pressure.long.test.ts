// More of pressure.test.ts: what takes many answers. docs/protocols/flexim.md §6.4.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { command, newKeys, TYPE } from '../../peer.ts';
import { scene, until } from '../../scene.ts';

const small = { replyBytes: 20_000, drainMs: 200 };
const slow = suite('flexim slow readers, many answers');

slow(
  'pipelined ROSTERs do not pile up answers',
  scene(
    async ({ relay, member }) => {
      const { directory } = relay.relay;
      const { memory } = relay.relay.router;
      await Promise.all(
        Array.from({ length: 400 }, (_, i) => directory.login(newKeys().hex, `u${i}`)),
      );
      const { peer } = await member();
      peer.socket.pause();
      const COUNT = 400; // of 30 KiB each: far more than the kernel takes
      peer.write(...Array.from({ length: COUNT }, () => command('ROSTER')));
      await until(() => memory.used > small.replyBytes, 'the answers are held back');
      assert.ok(memory.used <= small.replyBytes + 0xffff + 3, `${memory.used} bytes wait`);
      peer.socket.resume();
      for (const { type } of await peer.take(COUNT)) assert.is(type, TYPE.Roster);
      assert.is(memory.used, 0);
    },
    { limits: small },
  ),
);

slow.run();
