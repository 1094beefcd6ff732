// Messages followed on their way, and waiting for a relay, over a real messenger and a real relay.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Watch } from '../../src/cli/agent/watch.ts';
import { reach } from '../../src/cli/people.ts';
import { Posting, type PostingOptions } from '../../src/cli/posting.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import { dialRelay, startRelay, withRelay } from '../relay.ts';
import { until } from '../scene.ts';
import { Someone, withTwo } from './agent.ts';

const FOREVER = Number.POSITIVE_INFINITY;
const test = suite('cli: sending');

async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!isFleximError(error)) throw error ?? new Error('it went well');
  return `${error.code}: ${error.message}`;
}

async function posting(watch: Watch, who: string, wait: PostingOptions['wait']) {
  const to = await reach(watch, who, FOREVER);
  const told: string[] = [];
  const settled = (id: string, state: string) => void told.push(`${id} ${state}`);
  return { to, told, posting: new Posting(watch, { to, flags: ['NOTIFY'], wait, settled }) };
}

test('many at once, in order, each until he has it', () =>
  withRelay(({ port }) =>
    withTwo(port, async (alice, bob) => {
      const { posting: task, told } = await posting(alice.watch, 'bob', 'delivered');
      const texts = Array.from({ length: 600 }, (_, i) => `line ${i}`);
      for (const text of texts) await task.post(text);
      await task.stored();
      assert.is(await task.settled(FOREVER), true);
      assert.is(task.count, texts.length);
      assert.is(task.open.size, 0);
      assert.is(new Set(told).size, texts.length);
      assert.ok(told.every((line) => line.endsWith(' delivered')));
      const came = await bob.agent.ask('unread');
      assert.equal(
        came.map(({ body }) => body),
        texts,
      );
      assert.equal(came[0]?.flags, ['NOTIFY']);
    }),
  ));

test('for one who is away: the relay has it, he has not', () =>
  withRelay(({ port }) =>
    withTwo(port, async (alice, bob) => {
      await bob.close();
      const first = await posting(alice.watch, 'bob', 'accepted');
      await first.posting.post('one');
      assert.is(await first.posting.settled(FOREVER), true);
      assert.match(first.told[0] as string, / accepted$/);
      const second = await posting(alice.watch, 'bob', 'delivered');
      await second.posting.post('two');
      await second.posting.stored();
      assert.is(await second.posting.settled(performance.now()), false);
      const states = () => [...second.posting.open.values()];
      await until(() => !states().includes('queued'), 'the relay has it');
      assert.equal([states(), second.told], [['accepted'], []]);
    }),
  ));

test('no relay: what was taken is kept; who is not known cannot be looked up, and the reason is told', async () => {
  const { port, stop } = await startRelay();
  await stop();
  const alice = await new Someone(port, 'alice').open();
  const bob = new Someone(port, 'bob');
  const { posting: task } = await posting(alice.watch, bob.key, 'accepted');
  await task.post('later');
  await task.stored();
  assert.is(await task.settled(performance.now() + 1), false);
  assert.equal([...task.open.values()], ['queued']);
  let trouble = null;
  while (!trouble) trouble = (await alice.agent.ask('status')).trouble;
  const soon = performance.now() + 100;
  const words = await failure(new Watch(alice.agent).connected(soon));
  assert.match(words, new RegExp(`^relay-unreachable: .*127.0.0.1 port ${port}`));
  await alice.close();
});

test('what ends the connection for good ends the waiting', () =>
  withRelay(({ port }) =>
    withTwo(port, async (alice, bob) => {
      await bob.close();
      const { posting: task } = await posting(alice.watch, 'bob', 'delivered');
      await task.post('one');
      const ended = failure(task.settled(FOREVER));
      const thief = await dialRelay(port, { identity: alice.identity });
      assert.match(await ended, /^replaced: /);
      assert.match(await failure(task.post('two')), /^replaced: /);
      await thief.close();
    }),
  ));

test('a refused message is not counted, and stops those behind it', () =>
  withRelay(({ port }) =>
    withTwo(port, async (alice, bob) => {
      const { posting: task } = await posting(alice.watch, 'bob', 'accepted');
      await alice.agent.ask('block', bob.key, true);
      await task.post('one');
      assert.match(await failure(task.stored()), /^contact-blocked: /);
      assert.match(await failure(task.post('two')), /^contact-blocked: /);
      assert.is(task.count, 0);
    }),
  ));

test('nobody of that name', () =>
  withRelay(({ port }) =>
    withTwo(port, async (alice) => {
      assert.match(await failure(reach(alice.watch, 'nobody', FOREVER)), /^contact-unknown: /);
    }),
  ));

test.run();
