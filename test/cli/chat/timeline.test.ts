// The part of a history that is in memory: whatever is looked at in whatever order, it is what the history
// says, and it comes without gaps.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Entry } from '../../../src/cli/chat/model.ts';
import { Timeline } from '../../../src/cli/chat/timeline.ts';
import type { Message } from '../../../src/client/events.ts';
import type { Page } from '../../../src/client/history.ts';

const test = suite('chat: timeline');

/** A history whose answers come when the test says so. */
class History {
  readonly messages: Message[] = [];
  readonly pages: Page[] = [];
  readonly waiting: (() => void)[] = [];
  readonly entries: Entry[] = [];
  readonly states: Entry[] = [];
  readonly failures: unknown[] = [];
  fails = false;
  readonly timeline = new Timeline({
    read: (page) => this.#read(page),
    loaded: () => {},
    entry: (entry) => this.entries.push(entry),
    state: (entry) => this.states.push(entry),
    failed: (error) => this.failures.push(error),
  });

  /** Orders are of one counter for everybody: they have gaps. */
  add(count: number, outgoing = false): void {
    for (let i = 0; i < count; i++) {
      const order = (this.messages.at(-1)?.order ?? 0) + 1 + (this.messages.length % 3);
      const base = { id: `id${order}`, order, peer: 'bob', outgoing, at: order, date: order };
      const state = outgoing ? ('queued' as const) : null;
      this.messages.push({ ...base, state, flags: [], body: `text ${order}` });
    }
  }

  /** What is read is what there is now; it arrives later. */
  async #read({ before, after, limit = 50 }: Page): Promise<Message[]> {
    this.pages.push({ limit });
    const all = this.messages.map((each) => ({ ...each }));
    const page =
      after === undefined
        ? all.filter(({ order }) => order < (before ?? 1e9)).slice(-limit)
        : all.filter(({ order }) => order > after).slice(0, limit);
    await new Promise<void>((resolve) => this.waiting.push(resolve));
    if (this.fails) throw new Error('unreadable');
    return page;
  }

  /** Answers what was asked, and what is asked because of that. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      if (this.waiting.length > 0) quiet = 0;
      for (const answer of this.waiting.splice(0)) answer();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** What is before an entry, once it is there. */
  async before(entry: string | null, count: number): Promise<string[]> {
    for (;;) {
      const { entries, pending } = this.timeline.before(entry, count);
      if (!pending) return entries.map(({ id }) => id);
      await this.settle();
    }
  }

  async after(entry: string, count: number): Promise<string[]> {
    for (;;) {
      const { entries, pending } = this.timeline.after(entry, count);
      if (!pending) return entries.map(({ id }) => id);
      await this.settle();
    }
  }

  get ids(): string[] {
    return this.messages.map(({ order }) => String(order));
  }
}

test('nothing is there at once, and says so; then the newest are', async () => {
  const history = new History();
  history.add(1000);
  assert.equal(history.timeline.before(null, 10), { entries: [], pending: true });
  assert.equal(await history.before(null, 10), history.ids.slice(-10));
  await history.settle();
  const limits = history.pages.map(({ limit }) => limit);
  assert.equal(limits, [30, 250, 250], 'a screen; what came meanwhile, and more to look at');
  assert.equal(await history.before(null, 100), history.ids.slice(-100));
  assert.is(history.pages.length, 3, 'out of memory');
});

test('the newest can be waited for; more is read behind the frame that shows them', async () => {
  const history = new History();
  history.add(1000);
  const newest = history.timeline.newest(60);
  await history.settle();
  await newest;
  const { pages, timeline, ids } = history;
  const pages0 = pages.length;
  assert.equal(
    timeline.before(null, 60).entries.map(({ id }) => id),
    ids.slice(-60),
  );
  assert.is(pages.length, pages0, 'nothing is read while a frame is drawn');
  await history.settle();
  assert.is(pages.length, pages0 + 1);
  const failing = new History();
  failing.fails = true;
  const none = failing.timeline.newest(60);
  await failing.settle();
  await none; // what cannot be read is told, and keeps nobody waiting
  assert.is(failing.failures.length, 1);
});

test('an empty history is no riddle', async () => {
  const history = new History();
  assert.equal(await history.before(null, 10), []);
  history.add(1);
  history.timeline.catchUp();
  await history.settle();
  assert.equal(await history.before(null, 10), history.ids);
});

test('whatever is looked at, in any order: what the history says', async () => {
  const look = fc.record({
    how: fc.constantFrom('newest', 'before', 'after', 'came', 'sent', 'refresh'),
    where: fc.double({ min: 0, max: 1, noNaN: true }),
    count: fc.integer({ min: 1, max: 400 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3000 }),
      fc.array(look, { maxLength: 20 }),
      async (size, looks) => {
        const history = new History();
        history.add(size);
        for (const { how, where, count } of looks) {
          const { ids } = history;
          const at = Math.min(ids.length - 1, Math.floor(where * ids.length));
          const entry = ids[at] as string;
          if (how === 'newest') {
            await history.settle(); // what came is there
            assert.equal(await history.before(null, count), history.ids.slice(-count));
          }
          if (how === 'before')
            assert.equal(
              await history.before(entry, count),
              ids.slice(Math.max(0, at - count), at),
            );
          if (how === 'after')
            assert.equal(await history.after(entry, count), ids.slice(at + 1, at + 1 + count));
          if (how === 'refresh') history.timeline.refresh();
          if (how === 'came' || how === 'sent') {
            history.add(1 + (count % 5), how === 'sent');
            history.timeline.catchUp();
            await history.settle();
          }
        }
        await history.settle();
        const told = history.entries.map(({ id }) => Number(id));
        assert.equal(
          told,
          [...new Set(told)].sort((a, b) => a - b),
          'each once, in order',
        );
      },
    ),
    { numRuns: 60 },
  );
});

test('two parts that nearly meet are not taken for one', async () => {
  for (const between of [1, 2, 50, 200, 249, 250, 251, 260]) {
    const history = new History();
    history.add(1000);
    await history.before(null, 10);
    const { ids } = history;
    const at = 1000 - 250 - between;
    const entry = ids[at] as string;
    assert.equal(await history.before(entry, 20), ids.slice(at - 20, at), `${between}`);
    assert.equal(await history.after(entry, 300), ids.slice(at + 1, at + 301), `${between}`);
  }
});

test('what comes is told once, in order, also what came while it was being read', async () => {
  const history = new History();
  history.add(10);
  history.timeline.before(null, 5);
  await history.settle();
  const before = history.ids.length;
  for (let i = 0; i < 5; i++) {
    history.add(1);
    history.timeline.catchUp();
  }
  await history.settle();
  assert.equal(
    history.entries.map(({ id }) => id),
    history.ids.slice(before),
  );
});

test('a message is told once, whenever it comes', async () => {
  for (const when of ['before', 'asked', 'reading', 'after']) {
    const history = new History();
    history.add(3);
    const come = () => {
      history.add(1);
      history.timeline.came(history.messages.at(-1) as Message);
    };
    if (when === 'before') come();
    if (when === 'asked') history.add(1);
    history.timeline.before(null, 2);
    if (when === 'asked') history.timeline.came(history.messages.at(-1) as Message);
    if (when === 'reading') come(); // read without it, and not here yet
    await history.settle();
    if (when === 'after') come();
    await history.settle();
    history.add(1);
    history.timeline.came(history.messages.at(-1) as Message);
    await history.settle();
    assert.equal(
      history.entries.map(({ id }) => id),
      history.ids.slice(-2),
      when,
    );
    assert.equal(await history.before(null, 9), history.ids, when);
  }
});

test('states rise, and never fall back', async () => {
  const history = new History();
  history.add(1, true);
  await history.before(null, 1);
  const id = history.messages[0]?.id as string;
  history.timeline.advance(id, 'delivered');
  history.timeline.advance(id, 'accepted');
  assert.equal(
    history.states.map(({ state }) => state),
    ['delivered'],
  );
  Object.assign(history.messages[0] as Message, { state: 'read' });
  history.timeline.refresh();
  await history.settle();
  assert.is(history.states.at(-1)?.state, 'read');
  Object.assign(history.messages[0] as Message, { state: 'queued' });
  history.timeline.refresh();
  await history.settle();
  assert.is(history.timeline.before(null, 1).entries[0]?.state, 'read');
});

test('the state of a message that is not there: it is looked for at the end', async () => {
  const history = new History();
  history.add(1);
  await history.before(null, 1);
  history.add(1, true); // another process sent it
  history.timeline.advance(history.messages[1]?.id as string, 'accepted');
  await history.settle();
  assert.equal(
    history.entries.map(({ id }) => id),
    history.ids.slice(1),
  );
});

test('notes stand where they were said', async () => {
  const history = new History();
  history.add(2);
  history.timeline.note('before it was read', 1);
  await history.settle();
  history.timeline.note('after', 2);
  history.add(1);
  history.timeline.catchUp();
  await history.settle();
  const shown = history.timeline.before(null, 9).entries;
  assert.equal(
    shown.map(({ text }) => text),
    ['text 1', 'text 3', 'before it was read', 'after', 'text 6'],
  );
  const note = shown[2]?.id as string;
  assert.equal(await history.before(note, 1), ['3']);
  assert.equal(await history.after(shown[3]?.id as string, 1), ['6']);
});

test('a history that cannot be read is said once, and read again when there is reason to', async () => {
  const history = new History();
  history.add(5);
  history.fails = true;
  history.timeline.before(null, 3);
  await history.settle();
  for (let i = 0; i < 5; i++)
    assert.equal(history.timeline.before(null, 3), { entries: [], pending: false });
  assert.is(history.failures.length, 1);
  history.fails = false;
  history.timeline.refresh();
  assert.equal(await history.before(null, 3), history.ids.slice(-3));
});

test('memory is bounded once nobody looks further up', async () => {
  const history = new History();
  history.add(9000);
  for (let at = (await history.before(null, 200))[0]; at; ) at = (await history.before(at, 200))[0];
  const all = () => history.timeline.after(history.ids[0] as string, 1e6).entries.length;
  assert.ok(all() > 8900);
  history.timeline.before(null, 10);
  const pages = history.pages.length;
  assert.equal(await history.before(null, 10), history.ids.slice(-10));
  assert.is(history.pages.length, pages);
  assert.is(all(), 0, 'the oldest is read anew');
});

test.run();
