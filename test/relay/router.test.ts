// The router with members made of paper: who gets what, and why not.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DROP_REASONS, Drops } from '../../src/relay/drops.ts';
import { house, KEY, OTHER } from './paper.ts';

const STRANGER = '12'.repeat(32);

const routing = suite('router');

routing('outcomes and drops of every case', async () => {
  const { drops, join, router, route, sender, settle } = house();
  assert.equal([route(KEY), route('alice'), route(KEY.toUpperCase())], Array(3).fill('pending'));
  assert.equal(
    [route(STRANGER), route('bob'), route(''), route('/live/x')],
    Array(4).fill('unknown'),
  );
  const live = [`${KEY}/live`, 'alice/live', `${STRANGER}/live`, 'bob/live', '/live'];
  assert.equal(
    live.map((to) => route(to)),
    Array(5).fill('dropped'),
  );
  assert.is(route('x'.repeat(10_000)), 'unknown');
  assert.is(route(`${'x'.repeat(10_000)}/live`), 'dropped');
  const expected = { 'recipient-unknown': 8, 'live-away': 3 };
  // `${STRANGER}/live` is counted as away: nobody is to learn from it who is known
  assert.equal(drops.totals(), expected);
  assert.equal(sender.told, [], 'not before it is on the disk');
  await settle();
  assert.equal(sender.told, ['1', '2', '3']);

  const alice = join();
  assert.equal(alice.seen, ['<x>', '<x>', '<x>']);
  alice.takeAll();
  await settle();
  for (const to of [KEY, KEY.toUpperCase(), 'alice', 'alice/live', `${KEY}/live`])
    assert.is(route(to, to), 'delivered');
  assert.equal(alice.seen.slice(3), [
    `<${KEY}>`,
    `<${KEY.toUpperCase()}>`,
    '<alice>',
    '<alice/live>',
    `<${KEY}/live>`,
  ]);
  assert.equal(drops.totals(), expected);
  alice.cut();
  assert.is(route(KEY), 'pending');
  await settle();
  assert.is(router.memory.used, 0);
});

routing('a newer member takes the place; the older one leaving later does not take it away', () => {
  const { drops, join, router, route } = house();
  const older = join();
  const newer = join();
  assert.equal(older.calls, ['caughtUp', 'replaced']);
  assert.is(drops.of('replaced'), 1);
  older.cut();
  router.leave(older.outlet);
  assert.is(router.online, 1);
  assert.is(route(KEY), 'delivered');
  assert.equal([older.seen.length, newer.seen.length], [0, 1]);
});

routing('for whom too much waits, more goes to the queue and comes from there', async () => {
  const { drops, join, route, sender, settle } = house({ limits: { waitingBytes: 12 } });
  const [slow, fast] = [join(KEY), join(OTHER)];
  assert.is(route(KEY, '12345'), 'delivered');
  assert.is(route(OTHER, '1234'), 'delivered');
  assert.is(route(`${KEY}/live`, '1234'), 'dropped', 'a byte too many');
  assert.is(route(KEY, '123'), 'delivered', 'exactly full');
  assert.is(drops.of('live-slow'), 1);
  assert.is(route(KEY, '6'), 'pending');
  assert.is(route(`${KEY}/live`, ''), 'dropped', 'behind what is queued');
  assert.is(drops.of('live-away'), 1);
  assert.is(route(OTHER, '5678'), 'delivered');
  assert.equal(slow.seen, ['<12345>', '<123>']);
  await settle();
  assert.equal(sender.told, ['5']);
  assert.equal(slow.seen.slice(2), ['<6>'], 'a row is read while no more than that waits');
  assert.is(route(KEY, '7'), 'pending');
  await settle();
  assert.equal(sender.told, ['5', '8']);
  assert.equal(slow.seen.slice(3), []);
  slow.takeAll();
  await settle();
  assert.equal(slow.got, ['<12345>', '<123>', '<6>', '<7>']);
  assert.is(route(KEY, '8'), 'delivered');
  fast.cut();
  slow.cut();
});

routing(
  'when memory is short, each has an equal part of a half, and others are served',
  async () => {
    // Half of the budget is 40 bytes; 20 for each of two.
    const { join, router, route, settle } = house({
      limits: { waitingBytes: 100, memoryBytes: 80 },
    });
    const [slow, fast] = [join(KEY), join(OTHER)];
    assert.is(route(KEY, 'x'.repeat(39)), 'delivered', 'more than that while there is enough');
    assert.is(router.memory.isShort, true);
    assert.is(route(KEY, 'x'), 'pending');
    assert.is(route(OTHER, 'x'.repeat(18)), 'delivered');
    assert.is(route(OTHER, 'x'), 'pending', 'a byte too many');
    assert.is(router.memory.used, 41 + 20);
    await settle();
    slow.takeAll();
    fast.takeAll();
    await settle();
    assert.is(slow.got.length, 2);
    assert.is(fast.got.length, 2);
    assert.is(router.memory.used, 0);
    slow.cut();
    fast.cut();
  },
);

routing('what is refused at once is not told a second time', async () => {
  const { route, sender, settle } = house({ limits: { queueMessages: 10, queueShare: 20 } });
  assert.equal(
    [1, 2, 3].map(() => route(KEY)),
    ['pending', 'pending', 'share-full'],
  );
  await settle();
  assert.equal(sender.told, ['1', '2']);
});

routing.run();

const counting = suite('drops');

counting('count from zero, by name; the names are all different', () => {
  const drops = new Drops();
  assert.is(drops.of('malformed'), 0);
  assert.equal(drops.totals(), {});
  drops.count('malformed');
  drops.count('malformed');
  drops.count('replaced');
  drops.count('expired', 3);
  drops.count('stalled', 0);
  assert.equal(drops.totals(), { malformed: 2, replaced: 1, expired: 3 });
  assert.is(new Set(DROP_REASONS).size, DROP_REASONS.length);
});

counting.run();
