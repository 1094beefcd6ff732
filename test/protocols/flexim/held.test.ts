// A sender who is held for a slow reader, and let go by an acknowledgement: his frames are cut in the midst of the
// reader's own. docs/protocols/flexim.md §6.4 and §7.3.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { command, frame, message } from '../../peer.ts';
import { paperHouse } from './paper-visitors.ts';

const test = suite('flexim: who is held');

const times = (n: number, frame: Buffer) => Array<Buffer>(n).fill(frame);

for (const tail of ['a whole Message', 'the begin of one'])
  test(`what follows an acknowledgement in the same chunk is dealt with, with ${tail} of who is let go`, async () => {
    const house = paperHouse({ windowMessages: 8 });
    const alice = await house.member();
    const bob = await house.member(undefined, { acks: true });
    const carol = await house.member();
    const late = message(carol.hex, 'of alice');
    const [first, rest] = tail === 'a whole Message' ? [late, null] : [late.subarray(0, 40), 40];
    await alice.say(...times(5, message(bob.hex, 'one of five')), first);
    assert.is(alice.channel.isPaused, true, 'more than half of his window: she waits');
    const five = (await bob.hear()).filter((each) => each === 'one of five').length;
    assert.is(five, 5);
    await bob.say(
      command('ACK', '5'),
      ...times(2, message(carol.hex, 'of bob')),
      message(alice.hex, 'back'),
      command('PING', 'x'),
    );
    assert.is(alice.channel.isPaused, false);
    if (rest !== null) await alice.say(late.subarray(rest));
    const heard = (await carol.hear()).filter((each) => each.startsWith('of '));
    assert.equal(heard.sort(), ['of alice', 'of bob', 'of bob']);
    assert.ok((await alice.hear()).includes('back'));
    assert.is((await bob.take()).length, 1, 'he is still there, and has his answer');
    assert.equal(house.broken, []);
  });

test('what she sent while she was held is paid for when it is cut', async () => {
  const house = paperHouse({ windowMessages: 8, messagesPerSecond: 1, messagesBurst: 20 });
  const alice = await house.member();
  const bob = await house.member(undefined, { acks: true });
  await alice.say(
    ...times(5, message(bob.hex, 'one of five')),
    ...times(30, frame(3, new Uint8Array())),
  );
  assert.is(alice.channel.isPaused, true);
  await bob.hear();
  const { calls } = alice.channel;
  const before = calls.length;
  await bob.say(command('ACK', '5'));
  assert.is(alice.channel.isPaused, true, 'she is in debt');
  assert.is(house.relay.paces.pauses.size, 1);
  assert.equal(
    calls.slice(before).filter((each) => each === 'resume'),
    [],
  );
  alice.channel.reset();
});

test.run();
