// Friends and strangers: who is let in, whose key changed, who dials whom, and what waits.

import { readFileSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodePacket } from '../../../src/protocols/enclave/wire.ts';
import { until } from '../../scene.ts';
import { type Place, type TestNode, withNodes } from './nodes.ts';
import { GREETING, Raw, rawServer } from './raw.ts';

const test = suite('enclave: friends');
const [LOW, HIGH] = ['11'.repeat(32), 'ee'.repeat(32)];
const SPR = Uint8Array.of(1, 2, 3);

/** A node with a key, which has its prekeys. */
async function keyed(open: Place['open'], key: string, lines: string): Promise<TestNode> {
  const node = await open({ key, lines, alias: key.slice(0, 2) });
  node.node.outbound.push({ kind: 'prekeys', spr: SPR });
  return node;
}

test(
  'a stranger is asked about, ignored once, blocked for ever, or refused where nobody is asked',
  withNodes(async ({ open }) => {
    const alice = await open({ strangers: 'ask' });
    const knock = async (key: string) =>
      (await Raw.dial(alice.node.address.port)).says({ ...GREETING, 'flexim-key': key });
    const first = await knock(LOW);
    const { stranger } = await alice.heard('stranger');
    assert.equal([stranger.key, stranger.alias], [LOW, 'raw']);
    assert.equal(first.packets, [], 'nothing was told to him yet');
    alice.node.outbound.push({ kind: 'answer', id: stranger.id, verdict: 'ignore', name: null });
    await first.over();
    assert.is(alice.book.book.format(), '');
    const second = await knock(LOW);
    const again = await alice.heard('stranger');
    alice.node.outbound.push({
      kind: 'answer',
      id: again.stranger.id,
      verdict: 'block',
      name: 'pest',
    });
    await second.over();
    assert.is(alice.book.book.format(), `pest 127.0.0.1:0 ${LOW} blocked\n`);
    const third = await knock(LOW);
    await third.over();
    assert.equal(third.packets, []);
    const refusing = await open();
    const fourth = (await Raw.dial(refusing.node.address.port)).says(GREETING);
    await fourth.over();
    assert.is((await refusing.heard('trouble')).error.code, 'contact-unknown');
    assert.equal(fourth.packets, []);
  }),
);

test(
  'names that cannot stand in the book are replaced; one that is taken is refused',
  withNodes(async ({ open }) => {
    const alice = await open({ strangers: 'ask', lines: 'raw 10.0.0.1\n' });
    const knock = async (part: object) => {
      const raw = (await Raw.dial(alice.node.address.port)).says({ ...GREETING, ...part });
      return { raw, id: (await alice.heard('stranger')).stranger.id };
    };
    const one = await knock({ 'flexim-key': LOW });
    alice.node.outbound.push({ kind: 'answer', id: one.id, verdict: 'accept', name: 'RAW' });
    assert.is((await alice.heard('trouble')).error.code, 'contact-exists');
    await one.raw.over();
    const two = await knock({ 'flexim-key': LOW, alias: '\x1b[2J evil' });
    alice.node.outbound.push({ kind: 'answer', id: two.id, verdict: 'accept', name: null });
    await two.raw.hears('alias');
    assert.is(alice.book.book.withKey(LOW)?.name, 'friend1');
    two.raw.socket.destroy();
  }),
);

test(
  'a friend whose key changed, or who shows none any more: refused, told, the book untouched',
  withNodes(async ({ open }) => {
    const server = await rawServer();
    try {
      const lines = `bob 127.0.0.1:${server.port} ${LOW}\n`;
      const alice = await open({ lines });
      for (const part of [{ 'flexim-key': HIGH }, {}]) {
        const visitor = await server.visitor();
        visitor.says({ ...GREETING, ...part, message: 'psst' });
        assert.is((await alice.heard('trouble')).error.code, 'peer-key-changed');
        await visitor.over();
      }
      assert.is(readFileSync(alice.book.path, 'utf8'), lines);
      assert.not.ok(alice.events.some(({ kind }) => kind === 'message'));
    } finally {
      await server.close();
    }
  }),
);

test(
  'the first key is kept; from then on nothing plain goes to him or comes from him',
  withNodes(async ({ open }) => {
    const server = await rawServer();
    try {
      const alice = await open({ lines: `bob 127.0.0.1:${server.port} plain\n` });
      alice.node.outbound.push({ kind: 'message', to: 'bob', text: 'too early', id: 1 });
      await alice.heard('waiting');
      const visitor = await server.visitor();
      visitor.says({ ...GREETING, 'flexim-key': LOW });
      assert.is((await alice.heard('first-key')).key, LOW);
      assert.is((await alice.heard('trouble', ({ id }) => id === 1)).error.code, 'not-encrypted');
      assert.is(readFileSync(alice.book.path, 'utf8'), `bob 127.0.0.1:${server.port} ${LOW}\n`);
      alice.node.outbound.push({ kind: 'message', to: 'bob', text: 'secret', id: 2 });
      assert.is((await alice.heard('trouble', ({ id }) => id === 2)).error.code, 'not-encrypted');
      visitor.says({ message: 'plain' });
      const { error } = await alice.heard('trouble');
      assert.is(error.code, 'protocol-violation');
      assert.match(error.message, /without encryption/);
      await visitor.over();
      assert.not.ok(visitor.packets.some((packet) => 'message' in packet));
      assert.not.ok(alice.events.some(({ kind }) => kind === 'message'));
    } finally {
      await server.close();
    }
  }),
);

test(
  'what waits for a plain friend goes when he comes, in order; what never went is told',
  withNodes(async ({ open }) => {
    const alice = await open({ lines: 'bob 127.0.0.1:0 plain\neve 127.0.0.2:0 plain\n' });
    for (let id = 1; id <= 3; id++)
      alice.node.outbound.push({ kind: 'message', to: 'bob', text: `${id}`, id });
    alice.node.outbound.push({ kind: 'message', to: 'eve', text: 'lost', id: 4 });
    await alice.heard('waiting', ({ id }) => id === 4);
    const bob = (await Raw.dial(alice.node.address.port)).says(GREETING);
    for (let n = 1; n <= 3; n++) assert.is((await bob.hears('message')).message, `${n}`);
    await alice.heard('sent', ({ id }) => id === 3);
    bob.socket.end();
    await alice.leave();
    assert.is((await alice.heard('trouble', ({ id }) => id === 4)).error.code, 'not-connected');
  }),
);

test(
  'a plain friend twice: both connections stay, and the newer is written to',
  withNodes(async ({ open }) => {
    const alice = await open({ lines: 'bob 127.0.0.1:0 plain\n' });
    const [one, two] = [
      await Raw.dial(alice.node.address.port),
      await Raw.dial(alice.node.address.port),
    ];
    one.says(GREETING);
    await one.hears('alias');
    two.says(GREETING);
    await two.hears('alias');
    alice.node.outbound.push({ kind: 'message', to: 'bob', text: 'here', id: 1 });
    await two.hears('message');
    assert.equal(one.packets, []);
    one.says({ message: 'from one' });
    two.says({ message: 'from two' });
    await alice.heard('message', ({ text }) => text === 'from one');
    await alice.heard('message', ({ text }) => text === 'from two');
    two.socket.end();
    await two.over();
    alice.node.outbound.push({ kind: 'message', to: 'bob', text: 'again', id: 2 });
    await one.hears('message');
    one.socket.destroy();
  }),
);

test(
  'two who dial each other at once end with one connection, the same at both ends',
  withNodes(async ({ open }) => {
    for (let round = 0; round < 5; round++) {
      const [alice, bob] = [await open({ key: LOW }), await open({ key: HIGH })];
      const sides = [
        { me: alice, other: bob, key: HIGH },
        { me: bob, other: alice, key: LOW },
      ];
      for (const { me, other, key } of sides)
        writeFileSync(me.book.path, `friend 127.0.0.1:${other.node.address.port} ${key}\n`, {
          mode: 0o600,
        });
      for (const { me } of sides) {
        me.book.refresh();
        me.node.outbound.push({ kind: 'prekeys', spr: SPR });
      }
      for (const { me, key } of sides) await until(() => me.node.has(key), 'met');
      const say = (at: number) => {
        const packet = encodePacket({ fe1: Uint8Array.of(at) });
        for (const { me, key } of sides) me.node.outbound.push({ kind: 'envelope', key, packet });
      };
      // As messengers do: say something on every new connection, and tell under which key things opened.
      const answered = new Set<unknown>();
      const talk = () => {
        for (const { me, key } of sides)
          for (const event of me.events) {
            if (event.kind === 'envelope') event.opened(key);
            if (event.kind !== 'peer' || answered.has(event)) continue;
            answered.add(event);
            say(1);
          }
      };
      await until(() => {
        talk();
        return sides.every(({ me }) => me.node.connections === 1 && me.node.friends[0]?.isProven);
      }, 'one connection, proven');
      say(2);
      for (const { me } of sides) await me.heard('envelope', ({ envelope }) => envelope[0] === 2);
      assert.ok(sides.every(({ me }) => me.node.connections === 1));
      await Promise.all([alice.leave(), bob.leave()]);
    }
  }),
);

test(
  'one who only claims a key takes nobody his connection; who proves it replaces an older one',
  withNodes(async ({ open }) => {
    const alice = await keyed(open, HIGH, `bob 127.0.0.1:0 ${LOW}\n`);
    const greeting = { ...GREETING, 'flexim-key': LOW, 'fe1-spr': 'AQID' };
    const real = (await Raw.dial(alice.node.address.port)).says(greeting);
    await real.hears('alias');
    real.says({ fe1: 'AAAA' });
    (await alice.heard('envelope')).opened(LOW);
    const claim = (await Raw.dial(alice.node.address.port)).says(greeting);
    await claim.hears('alias');
    const packet = encodePacket({ fe1: Uint8Array.of(9) });
    alice.node.outbound.push({ kind: 'envelope', key: LOW, packet });
    await real.hears('fe1');
    await claim.hears('fe1');
    claim.says({ fe1: 'AAAA' });
    (await alice.heard('envelope')).opened(HIGH); // not under the key that he claims
    alice.node.outbound.push({ kind: 'envelope', key: LOW, packet });
    await real.hears('fe1');
    await claim.hears('fe1');
    claim.says({ fe1: 'AAAA' });
    (await alice.heard('envelope')).opened(LOW);
    await real.over();
    assert.not.ok(claim.isOver);
    claim.socket.destroy();
  }),
);

test(
  'no more than four claims of one key at a time',
  withNodes(async ({ open }) => {
    const alice = await keyed(open, HIGH, `bob 127.0.0.1:0 ${LOW}\n`);
    const all: Raw[] = [];
    for (let n = 0; n < 6; n++) {
      const raw = (await Raw.dial(alice.node.address.port)).says({
        ...GREETING,
        'flexim-key': LOW,
      });
      await raw.hears('alias');
      all.push(raw);
    }
    await all[0]?.over();
    await all[1]?.over();
    assert.equal(
      all.map(({ isOver }) => isOver),
      [true, true, false, false, false, false],
    );
    for (const { socket } of all) socket.destroy();
  }),
);

test(
  'a node that dials itself notices',
  withNodes(async ({ open }) => {
    const alice = await open({ key: LOW });
    writeFileSync(alice.book.path, `me 127.0.0.1:${alice.node.address.port}\n`, { mode: 0o600 });
    alice.book.refresh();
    alice.node.outbound.push({ kind: 'prekeys', spr: SPR });
    const { error } = await alice.heard('trouble', (each) => each.name === null);
    assert.match(error.message, /that is this node/);
    assert.is(alice.book.book.friends[0]?.key, null);
  }),
);

test(
  'the book changes while the node runs: friends come, go, and are blocked',
  withNodes(async ({ open }) => {
    const bob = await open({ lines: 'alice 127.0.0.1:0\n', alias: 'Bob' });
    const alice = await open();
    const place = `127.0.0.1:${bob.node.address.port}`;
    const edit = (text: string) => {
      writeFileSync(alice.book.path, text, { mode: 0o600 });
      alice.node.outbound.push({ kind: 'look' });
    };
    edit(`bob ${place}\n`);
    await alice.heard('friend', ({ friend }) => friend.name === 'bob' && friend.status === 1);
    edit(`bob ${place} blocked\nnonsense\n`);
    assert.is((await alice.heard('trouble')).error.code, 'book-damaged');
    await bob.heard('friend', ({ friend }) => friend.status === 1);
    await bob.heard('friend', ({ friend }) => friend.status === 0 && friend.alias !== '');
    await until(() => alice.node.connections === 0, 'blocked');
    edit(`robert ${place}\n`);
    await alice.heard('removed');
    await alice.heard('friend', ({ friend }) => friend.name === 'robert' && friend.status === 1);
  }),
);

test(
  'a friend who is away is tried again, told of once, and found when he comes',
  withNodes(async ({ open }) => {
    const server = await rawServer();
    const { port } = server;
    await server.close();
    const alice = await open({ lines: `bob 127.0.0.1:${port}\n` });
    const trouble = await alice.heard('trouble');
    assert.equal([trouble.error.code, trouble.name], ['peer-unreachable', 'bob']);
    const bob = await open({ port, lines: 'alice 127.0.0.1:0\n' });
    await alice.heard('friend', ({ friend }) => friend.status === 1);
    assert.is(alice.events.filter(({ kind }) => kind === 'trouble').length, 1);
    await bob.leave();
    await alice.heard('friend', ({ friend }) => friend.status === 0 && friend.alias !== '');
    await open({ port, lines: 'alice 127.0.0.1:0\n' });
    await alice.heard('friend', ({ friend }) => friend.status === 1);
  }),
);

test(
  'new prekeys are shown to those who are there and have a key, and to nobody else',
  withNodes(async ({ open }) => {
    const alice = await keyed(open, HIGH, `bob 127.0.0.1:0 ${LOW}\ncarol 127.0.0.1:0\n`);
    const bob = (await Raw.dial(alice.node.address.port)).says({ ...GREETING, 'flexim-key': LOW });
    const carol = (await Raw.dial(alice.node.address.port)).says(GREETING);
    assert.is((await bob.hears('alias'))['fe1-spr'], 'AQID');
    await carol.hears('alias');
    alice.node.outbound.push({ kind: 'prekeys', spr: Uint8Array.of(9) });
    alice.node.outbound.push({ kind: 'alias', alias: 'A' });
    assert.is((await bob.hears('fe1-spr'))['fe1-spr'], 'CQ');
    await carol.hears('alias');
    assert.equal(carol.packets, []);
    bob.says({ 'fe1-spr': 'Bw' });
    await alice.heard('peer', ({ spr }) => spr?.[0] === 7);
    assert.equal(alice.node.prekeysOf(LOW), Uint8Array.of(7));
    for (const { socket } of [bob, carol]) socket.destroy();
  }),
);

test.run();
