// The screen over real messengers and a real relay: what each side sees.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Agent, AgentEvent } from '../../../src/cli/agent/agent.ts';
import type { LocalAgent } from '../../../src/cli/agent/local.ts';
import { newIdentity } from '../../../src/crypto/identity.ts';
import { FleximError } from '../../../src/lib/errors.ts';
import { AsyncQueue } from '../../../src/lib/queue.ts';
import type { Link } from '../../../src/protocols/protocol.ts';
import { MemoryStore } from '../../client/memory.ts';
import { dialRelay, memoryPins, startRelay, temporaryDirectory, withRelay } from '../../relay.ts';
import { until } from '../../scene.ts';
import { Talker, withTalkers } from './live.ts';

const test = suite('chat: live');

test('first contact: looked up, a request on the other side, a contact after the answer', () =>
  withRelay(({ port }) =>
    withTalkers(port, async (alice, bob) => {
      alice.app.session.begin('bob');
      await alice.app.session.idle();
      assert.match(alice.look().screen, /^ bob · not verified/);
      await alice.sees(/Nothing was said here yet/);
      await alice.enter('hello bob');
      await alice.sees(/me> hello bob ✓✓$/m);
      await bob.sees(/1 alice\? +\+1│/);
      assert.match(bob.look().screen, / alice\? has written: Alt-1/);
      bob.app.press({ kind: 'key', name: 'alt-1' });
      await bob.sees(/^ alice\? · wrote first, not verified/m);
      await bob.sees(/─ new ─+\n.*alice\?: hello bob$/m);
      await bob.sees(/— alice\? wrote first, as anybody can/);
      await until(() => bob.chat.conversations()[0]?.unread === 0, 'seen');
      while ((await bob.agent.ask('unread')).length > 0)
        await new Promise((resolve) => setImmediate(resolve)); // on its way to the store
      await bob.enter('/me waves');
      await bob.enter('/notify fire');
      await bob.sees(/^ alice · not verified/m);
      await alice.sees(/\* bob waves\n.*URGENT bob: fire/);
      const [line] = await alice.agent.ask('history', 'bob', { limit: 2 });
      assert.equal([line?.body, line?.flags], ['waves', ['ACTION']]);
    }),
  ));

test('unread: counted where one is not, the rule where it begins, read up to what was seen', () =>
  withRelay(({ port }) =>
    withTalkers(port, async (alice, bob) => {
      const carol = await new_(port, 'carol');
      for (const who of [alice, carol]) await who.enter('/msg bob hi');
      await until(() => bob.chat.conversations().length === 2, 'both');
      bob.app.session.go(alice.key);
      await bob.sees(/alice\?: hi/);
      for (let i = 0; i < 3; i++) await carol.enter(`more ${i}`);
      await carol.enter('/notify now');
      await bob.sees(/carol\? +!\+5│/);
      const unread = await bob.agent.ask('unread');
      assert.equal(new Set(unread.map(({ peer }) => peer)), new Set([carol.key]));
      bob.app.session.go(carol.key);
      await bob.sees(/─ new ─+\n.*carol\?: hi[\s\S]*more 2[\s\S]*URGENT carol\?: now/);
      await until(() => bob.chat.conversations().every((each) => each.unread === 0), 'all seen');
      await carol.close();
    }),
  ));

const new_ = async (port: number, alias: string) => (await Talker.open({ port, alias })).up();

test('read receipts and presence, when they are turned on', () =>
  withRelay(({ port }) =>
    withTalkers(
      port,
      async (alice, bob) => {
        await alice.enter('/msg bob hello');
        await until(() => bob.chat.conversations().length === 1, 'a request');
        bob.app.session.go(alice.key);
        await bob.enter('hi');
        await bob.sees(/me> hi ✓✓/);
        await alice.sees(/me> hello ✓✓ read/);
        bob.app.press({ kind: 'text', text: 'x' });
        await alice.sees(/^ bob · not verified · typing/m);
        bob.app.press({ kind: 'key', name: 'ctrl-c' });
        await alice.sees(/^ bob · not verified · here/m);
        await bob.chat.close();
        await alice.sees(/^ bob · not verified · away/m);
      },
      { presence: true, readReceipts: true },
    ),
  ));

/** An agent whose other end dies without a word, and is another one later. */
function fragile() {
  const told = new AsyncQueue<AgentEvent>();
  let isDead = false;
  const through = (agent: LocalAgent): Agent => {
    void (async () => {
      for await (const event of agent.events()) if (!isDead) told.push(event);
    })();
    return {
      me: agent.me,
      ask: (verb, ...args) => agent.ask(verb, ...args),
      events: () => told,
      close: () => agent.close(),
    };
  };
  const die = () => {
    isDead = true;
  };
  return { through, die, move: () => told.push({ kind: 'moved' }) };
}

test('another process has taken over: everything is read anew', () =>
  withRelay(async ({ port }) => {
    const { through, die, move } = fragile();
    const bob = await new_(port, 'bob');
    const alice = await Talker.open({ port, alias: 'alice', through });
    await until(() => alice.chat.connection().state === 'online', 'online');
    await alice.enter('/msg bob one');
    await alice.sees(/me> one ✓✓/);
    die();
    bob.app.session.go(alice.key);
    await bob.enter('two');
    await bob.sees(/me> two ✓✓/);
    await alice.enter('three'); // its states are not heard
    await bob.sees(/three/);
    const carol = await new_(port, 'carol');
    await carol.enter('/msg alice four');
    await carol.sees(/me> four ✓✓/);
    assert.not.match(alice.look().screen, /two[\s\S]*three ✓✓|\+1/);
    move();
    await alice.sees(/bob: two\n.*me> three ✓✓/);
    await alice.sees(/[0-9a-f]{8} +\+1│/);
    await Promise.all([alice.close(), bob.close(), carol.close()]);
  }));

test('blocked ones are not shown, and not gone to', () =>
  withRelay(({ port }) =>
    withTalkers(port, async (alice, bob) => {
      await alice.enter('/msg bob hello');
      await until(() => bob.chat.conversations().length === 1, 'a request');
      await bob.agent.ask('block', alice.key, true);
      await bob.enter(`/msg ${alice.key}`);
      assert.match(bob.look().screen, /(alice\?|[0-9a-f]{8}) is blocked/);
      assert.equal(bob.chat.conversations(), []);
    }),
  ));

test('offline: queued, said why, and sent by itself when there is a relay', () =>
  withRelay(async ({ port }) => {
    const bob = await new_(port, 'bob');
    const identity = newIdentity();
    let isThere = false;
    const dial = async () => {
      if (isThere) return dialRelay(port, { identity, pins: memoryPins() });
      throw new FleximError('relay-unreachable', 'nobody answers there');
    };
    const alice = await Talker.open({ port, identity, dial });
    await alice.sees(/offline: nobody answers there/);
    await alice.enter(`/msg ${bob.key} one`);
    await alice.sees(/me> one ·$/m);
    assert.is(alice.chat.unsent, 1);
    await alice.enter('/msg nobody two');
    assert.match(alice.look().screen, /not sent: nobody is no contact yet, and there is no conn/);
    alice.app.press({ kind: 'key', name: 'ctrl-c' });
    isThere = true;
    await alice.sees(/me> one ✓✓/);
    assert.is(alice.chat.unsent, 0);
    await Promise.all([alice.close(), bob.close()]);
  }));

test('somebody who can be looked up only later is found when there is a connection', async () => {
  const first = await startRelay();
  const { port, identity } = first;
  const data = temporaryDirectory();
  await first.stop();
  const alice = await Talker.open({ port, alias: 'alice' });
  alice.app.session.begin('bob');
  alice.app.session.enter('before there is anybody');
  await alice.app.session.idle();
  assert.match(alice.look().screen, /not sent: to whom/, 'it is not sent to whom one cannot know');
  assert.is(alice.app.editor.text, 'before there is anybody');
  const relay = await startRelay({ port, identity, data });
  const bob = await new_(port, 'bob');
  await alice.sees(/^ bob · not verified|nobody is known as bob/m);
  await Promise.all([alice.close(), bob.close()]);
  await relay.stop();
});

/** A relay that says whose key the alias bob is with, beside what is true. */
function liar(port: number) {
  const lie = { bob: '' };
  const identity = newIdentity();
  const dial = async (): Promise<Link> => {
    const link = await dialRelay(port, { identity, pins: memoryPins(), reconnect: null });
    const { directory } = link;
    const find = async (who: string) =>
      who === 'bob' && lie.bob !== ''
        ? { key: lie.bob, aliases: ['bob'], lastSeen: 0 }
        : ((await directory?.find(who)) ?? null);
    return new Proxy(link, {
      get: (target, name) => {
        const value = name === 'directory' ? { ...directory, find } : Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
  return { lie, identity, dial };
}

test('a changed key: said, nothing sent, and only the compared one is accepted', () =>
  withRelay(async ({ port }) => {
    const { lie, ...lied } = liar(port);
    const alice = await (await Talker.open({ port, ...lied })).up();
    const bob = await new_(port, 'bob');
    await alice.enter('/msg bob hello');
    await alice.sees(/me> hello ✓✓/);
    await alice.enter('/verify yes');
    await alice.sees(/^ bob · verified/m);
    const other = newIdentity();
    lie.bob = other.hex;
    await alice.agent.ask('add', 'bob', null); // looked up again, as at each login
    await alice.sees(/^ bob · KEY CHANGED/m);
    await alice.sees(/The key of bob changed: nothing is sent/);
    await alice.sees(/— the relay now gives another key for bob:/);
    await alice.enter('secret');
    await alice.sees(/not sent: the key of bob changed/);
    await alice.enter('/verify yes');
    assert.match(alice.look().screen, /another key than the one that was compared: \/verify/);
    await alice.enter('/trust');
    assert.match(alice.look().screen, /was verified: compare the safety number/);
    await alice.enter('/verify');
    assert.match(alice.look().screen, /safety number of the NEW key of bob/);
    await alice.enter('/verify yes');
    await alice.sees(/^ bob · verified/m);
    await alice.sees(/bob has another key now\./);
    assert.is(alice.app.session.current?.id, other.hex);
    await alice.enter('/msg bob.old');
    await alice.sees(/me> hello ✓✓/);
    assert.equal(await alice.agent.ask('history', other.hex, {}), []);
    await Promise.all([alice.close(), bob.close()]);
  }));

test('a key that changed once more after the comparison is not accepted', () =>
  withRelay(async ({ port }) => {
    const { lie, ...lied } = liar(port);
    const alice = await (await Talker.open({ port, ...lied })).up();
    const bob = await new_(port, 'bob');
    await alice.enter('/msg bob');
    for (const times of [1, 2]) {
      lie.bob = newIdentity().hex;
      await alice.agent.ask('add', 'bob', null);
      await until(() => alice.changes.filter(isKeyNote).length === times, 'said');
      if (times === 1) await alice.enter('/verify');
    }
    await alice.enter('/verify yes');
    assert.match(alice.look().screen, /another key than the one that was compared/);
    assert.is(alice.chat.conversations()[0]?.trust, 'changed');
    await Promise.all([alice.close(), bob.close()]);
  }));

const isKeyNote = (change: Talker['changes'][number]) =>
  change.kind === 'entry' && change.entry.text.startsWith('the relay now gives another key');

test('a full store keeps the text; one that breaks ends the chat with its error', () =>
  withRelay(async ({ port }) => {
    const disk = new MemoryStore();
    const alice = await (await Talker.open({ port, disk })).up();
    const bob = await new_(port, 'bob');
    await alice.enter(`/msg ${bob.key}`);
    disk.before = () => {
      throw new FleximError('store-full', 'the disk is full');
    };
    await alice.enter('precious');
    assert.match(alice.look().screen, /not sent: the disk is full/);
    assert.is(alice.app.editor.text, 'precious');
    disk.before = () => {};
    await alice.up();
    disk.before = () => {
      throw new TypeError('torn');
    };
    await bob.enter(`/msg ${alice.key} hello`);
    await until(() => alice.left.length > 0, 'left');
    assert.match(String(alice.left[0]), /torn/);
    await bob.close();
    await alice.close();
  }));

test.run();
