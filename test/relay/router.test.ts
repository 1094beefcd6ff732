// The router with members made of paper: who gets what, and why not.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DROP_REASONS, Drops } from '../../src/relay/drops.ts';
import { DEFAULT_LIMITS, type Limits } from '../../src/relay/limits.ts';
import { type Member, Router } from '../../src/relay/router.ts';

const KEY = 'ab'.repeat(32);
const OTHER = 'cd'.repeat(32);

class Paper implements Member {
  readonly key: string;
  waiting = 0;
  readonly got: string[] = [];
  readonly #router: Router;
  replacedCalls = 0;

  constructor(key: string, router: Router) {
    this.key = key;
    this.#router = router;
  }

  deliver(bytes: Buffer, start: number, end: number): void {
    this.got.push(bytes.toString('latin1', start, end));
    this.waiting += end - start;
    this.#router.account(end - start);
  }

  replaced(): void {
    this.replacedCalls++;
    this.#router.leave(this);
  }
}

function house(limits: Partial<Limits> = {}) {
  const drops = new Drops();
  const names = {
    isKnown: (key: string) => key === KEY,
    keyOf: (alias: string) => (alias === 'alice' ? KEY : null),
  };
  const router = new Router({ names, limits: { ...DEFAULT_LIMITS, ...limits }, drops });
  const route = (to: string, text = 'x') => {
    const bytes = Buffer.from(`<${text}>`, 'latin1');
    return router.route(to, bytes, 1, bytes.length - 1);
  };
  return { drops, router, route };
}

const routing = suite('router');

routing('outcomes and drops of every case', () => {
  const { drops, router, route } = house();
  assert.equal([route(KEY), route('alice'), route(KEY.toUpperCase())], ['away', 'away', 'away']);
  assert.equal([route(OTHER), route('bob'), route(''), route('/live/x')], Array(4).fill('unknown'));
  const live = [`${KEY}/live`, 'alice/live', `${OTHER}/live`, 'bob/live', '/live'];
  assert.equal(
    live.map((to) => route(to)),
    Array(5).fill('dropped'),
  );
  assert.equal(route('x'.repeat(10_000)), 'unknown');
  assert.equal(route(`${'x'.repeat(10_000)}/live`), 'dropped');
  const expected = { 'recipient-away': 3, 'recipient-unknown': 8, 'live-away': 3 };
  assert.equal(drops.totals(), expected);

  const alice = new Paper(KEY, router);
  router.join(alice);
  for (const to of [KEY, KEY.toUpperCase(), 'alice', 'alice/live', `${KEY}/live`])
    assert.is(route(to, to), 'delivered');
  assert.equal(alice.got, [KEY, KEY.toUpperCase(), 'alice', 'alice/live', `${KEY}/live`]);
  assert.equal(drops.totals(), expected);
  router.leave(alice);
  assert.is(route(KEY), 'away');
});

routing('a newer member takes the place; the older one leaving later does not take it away', () => {
  const { drops, router, route } = house();
  const older = new Paper(KEY, router);
  const newer = new Paper(KEY, router);
  router.join(older);
  router.join(newer);
  assert.is(older.replacedCalls, 1);
  assert.is(drops.of('replaced'), 1);
  router.leave(older);
  assert.is(router.online, 1);
  assert.is(route(KEY), 'delivered');
  assert.equal([older.got.length, newer.got.length], [0, 1]);
  assert.equal([...router.members()], [newer]);
});

routing('a member for whom too much waits is refused more, others are not', () => {
  const { drops, router, route } = house({ waitingBytes: 10 });
  const slow = new Paper(KEY, router);
  const fast = new Paper(OTHER, router);
  router.join(slow);
  router.join(fast);
  assert.is(route(KEY, '123456'), 'delivered');
  assert.is(route(KEY, '12345'), 'slow');
  assert.is(route(`${KEY}/live`, '12345'), 'dropped');
  assert.is(route(KEY, '1234'), 'delivered', 'exactly full');
  assert.is(route(OTHER, '12345'), 'delivered');
  assert.is(drops.of('recipient-slow'), 2);
  slow.waiting = 0;
  assert.is(route(KEY, '1'), 'delivered');
});

routing('when memory is short, only who holds more than his fair part is refused', () => {
  const { drops, router, route } = house({ waitingBytes: 100, memoryBytes: 50, fairBytes: 10 });
  const [slow, fast] = [new Paper(KEY, router), new Paper(OTHER, router)];
  router.join(slow);
  router.join(fast);
  assert.is(route(KEY, 'x'.repeat(45)), 'delivered');
  assert.is(route(KEY, 'x'.repeat(6)), 'memory');
  assert.is(route(`${KEY}/live`, 'x'.repeat(6)), 'dropped');
  assert.is(route(OTHER, 'x'.repeat(10)), 'delivered');
  assert.is(route(OTHER, 'x'), 'memory');
  assert.is(drops.of('memory-full'), 3);
  assert.is(router.waiting, 55);
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
  assert.equal(drops.totals(), { malformed: 2, replaced: 1 });
  assert.is(new Set(DROP_REASONS).size, DROP_REASONS.length);
});

counting.run();
