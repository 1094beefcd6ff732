// What others may send and do: each harms one connection, theirs, and is told by its name.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ErrorCode } from '../../../src/lib/errors.ts';
import { encodePacket } from '../../../src/protocols/enclave/wire.ts';
import { turn } from '../flexim/links.ts';
import { type Place, type TestNode, withNodes } from './nodes.ts';
import { framed, GREETING, lengthened, Raw } from './raw.ts';

const test = suite('enclave: hostile nodes');
const KEY = 'ab'.repeat(32);

/** A node with a friend who is on the line, untouched by what others do. */
async function withFriend(place: Place, body: (alice: TestNode) => Promise<void>): Promise<void> {
  const alice = await place.open({
    lines: `bob localhost:0 ${KEY}\n`,
    strangers: 'accept',
    key: 'cd'.repeat(32),
  });
  alice.node.outbound.push({ kind: 'prekeys', spr: Uint8Array.of(1) });
  const bob = await Raw.dial(alice.node.address.port);
  bob.says({ ...GREETING, alias: 'bob', 'flexim-key': KEY });
  await bob.hears('alias');
  await body(alice);
  assert.not.ok(bob.isOver, 'nobody else is touched');
  bob.says({ status: 2 });
  await alice.heard('friend', ({ friend }) => friend.name === 'bob' && friend.status === 2);
  bob.socket.destroy();
}

const nested = (depth: number) => Buffer.from('['.repeat(depth));
const BAD: readonly (readonly [string, Buffer, ErrorCode])[] = [
  ['no JSON', lengthened(Buffer.from('{')), 'malformed'],
  ['nothing at all', lengthened(Buffer.alloc(0)), 'malformed'],
  ['no UTF-8', lengthened(Buffer.from('{"message":"\xff"}', 'latin1')), 'malformed'],
  ['a list', framed([]), 'malformed'],
  ['null', framed(null), 'malformed'],
  ['deep', lengthened(Buffer.from(`{"a":${'['.repeat(40)}${']'.repeat(40)}}`)), 'malformed'],
  ['very deep', lengthened(nested(1_000_000)), 'malformed'],
  ['too long', Buffer.from([0, 0x10, 0, 1]), 'frame-too-large'],
  ['far too long', Buffer.from([255, 255, 255, 255]), 'frame-too-large'],
  ['FE1 without a key', framed({ fe1: 'AAAA' }), 'protocol-violation'],
  ['prekeys without a key', framed({ 'fe1-spr': 'AAAA' }), 'protocol-violation'],
  ['a key that comes later', framed({ 'flexim-key': 'ef'.repeat(32) }), 'protocol-violation'],
  ...Object.entries({
    alias: 1,
    status: 'away',
    'status-message': 1,
    message: {},
    timestamp: 'now',
    'flexim-key': 'x',
    'fe1-spr': '+',
    fe1: 7,
  }).map(([name, value]) => [`a wrong ${name}`, framed({ [name]: value }), 'malformed'] as const),
];

for (const [what, bytes, code] of BAD)
  test(
    `${what}, behind the handshake: closed, told`,
    withNodes((place) =>
      withFriend(place, async (alice) => {
        const raw = (await Raw.dial(alice.node.address.port)).says(GREETING);
        await raw.hears('alias');
        raw.says(bytes);
        const { error, name } = await alice.heard('trouble');
        assert.equal([error.code, name], [code, 'raw']);
        await raw.over();
      }),
    ),
  );

test(
  'the same instead of a handshake, and a handshake without a name',
  withNodes((place) =>
    withFriend(place, async (alice) => {
      const first = BAD.filter(([what]) => !what.includes('key'));
      for (const [what, bytes, code] of [
        ...first,
        ['no alias', framed({ status: 1 }), 'protocol-violation'] as const,
        ['long', Buffer.from([0, 1, 0, 1]), 'frame-too-large'] as const,
      ]) {
        const raw = (await Raw.dial(alice.node.address.port)).says(bytes);
        // A long packet is refused by its length; a deep one that fits is read first.
        const expected = bytes.length > 65_540 ? 'frame-too-large' : code;
        const { error } = await alice.heard('trouble');
        assert.is(error.code, expected, what);
        await raw.over();
        assert.equal(raw.packets, [], 'who was not accepted learns nothing');
      }
    }),
  ),
);

test(
  'every cut of a packet, and its end: nothing is made of a half, and no trouble either',
  withNodes(async ({ open }) => {
    const alice = await open({ strangers: 'accept' });
    const packet = encodePacket({ message: 'whole', timestamp: 1 });
    for (let cut = 0; cut <= packet.length; cut++) {
      const raw = (await Raw.dial(alice.node.address.port)).says(GREETING);
      await raw.hears('alias');
      raw.says(packet.subarray(0, cut));
      raw.socket.end();
      await raw.over();
    }
    await alice.heard('message');
    await alice.leave();
    assert.is(alice.events.filter(({ kind }) => kind === 'message').length, 1);
    assert.equal(
      alice.events.filter(({ kind }) => kind === 'trouble'),
      [],
    );
  }),
);

test(
  'byte by byte, and many in one chunk',
  withNodes(async ({ open }) => {
    const alice = await open({ strangers: 'accept' });
    const raw = await Raw.dial(alice.node.address.port);
    raw.socket.setNoDelay(true);
    for (const byte of framed({ ...GREETING, message: 'first' })) {
      raw.says(Buffer.of(byte));
      await turn();
    }
    raw.says(Buffer.concat(Array.from({ length: 50 }, (_, n) => framed({ message: `${n}` }))));
    for (const text of ['first', ...Array.from({ length: 50 }, (_, n) => `${n}`)])
      assert.is((await alice.heard('message')).text, text);
  }),
);

test(
  'who says nothing is let go, and who stops in the middle of his handshake',
  withNodes(async ({ open }) => {
    const alice = await open({ patience: { handshakeMs: 20 } });
    for (const bytes of [Buffer.alloc(0), framed(GREETING).subarray(0, 9)]) {
      const raw = (await Raw.dial(alice.node.address.port)).says(bytes);
      await raw.over();
      assert.is((await alice.heard('trouble')).error.code, 'login-timeout');
    }
  }),
);

test(
  'strangers have few places, one address fewer, and a friend gives his place back',
  withNodes(async ({ open }) => {
    const alice = await open({ strangers: 'ask', limits: { unknownPerAddress: 3 } });
    const { port } = alice.node.address;
    const all: Raw[] = [];
    for (let n = 0; n < 3; n++) {
      all.push((await Raw.dial(port)).says({ ...GREETING, 'flexim-key': `0${n}`.repeat(32) }));
      await alice.heard('stranger');
    }
    const fourth = (await Raw.dial(port)).says(GREETING);
    await fourth.over();
    assert.is(alice.node.refused, 1);
    alice.node.outbound.push({ kind: 'answer', id: 1, verdict: 'accept', name: 'ann' });
    await all[0]?.hears('alias');
    const fifth = (await Raw.dial(port)).says({ ...GREETING, 'flexim-key': '09'.repeat(32) });
    await alice.heard('stranger');
    for (const raw of [...all, fifth]) raw.socket.destroy();
    for (let n = 0; n < 3; n++) await alice.heard('stranger-gone');
  }),
);

test(
  'the same stranger is not asked about twice at once, and not for ever',
  withNodes(async ({ open }) => {
    const alice = await open({ strangers: 'ask', patience: { askedMs: 30 } });
    const { port } = alice.node.address;
    const first = (await Raw.dial(port)).says(GREETING);
    await alice.heard('stranger');
    const second = (await Raw.dial(port)).says(GREETING);
    await second.over();
    assert.is((await alice.heard('trouble')).error.code, 'contact-unknown');
    await first.over();
    await alice.heard('stranger-gone');
    alice.node.outbound.push({ kind: 'answer', id: 1, verdict: 'accept', name: null });
    assert.is((await alice.heard('trouble')).error.code, 'contact-unknown');
  }),
);

test(
  'a friend who takes nothing: the frontend hears when he does again, and he is cut before it is too much',
  withNodes(async ({ open }) => {
    const alice = await open({ lines: 'bob 127.0.0.1:0 plain\n' });
    const bob = (await Raw.dial(alice.node.address.port)).says(GREETING);
    await bob.hears('alias');
    bob.socket.pause();
    const text = 'x'.repeat(100_000);
    const say = (count: number) => {
      for (let id = 1; id <= count; id++)
        alice.node.outbound.push({ kind: 'message', to: 'bob', text, id });
    };
    say(100); // 10 MB: more than the system takes for him
    await alice.heard('sent', ({ id }) => id === 100);
    bob.socket.resume();
    await alice.heard('eased');
    bob.socket.pause();
    say(400);
    assert.is((await alice.heard('trouble')).error.code, 'connection-lost');
    bob.socket.destroy();
  }),
);

test(
  'whoever is not read from by the frontend is not read from by the node',
  withNodes(async ({ silent }) => {
    const alice = await silent({ strangers: 'accept' });
    const raw = (await Raw.dial(alice.address.port)).says(GREETING);
    await raw.hears('alias');
    const text = 'x'.repeat(10_000);
    const total = 3_000; // 30 MB: more than any buffer in between holds
    for (let n = 0; n < total; n++) raw.says({ message: `${n} ${text}` });
    for (let n = 0; n < 300; n++) await turn();
    assert.ok(alice.inbound.length < 1_200, `${alice.inbound.length} wait`);
    let came = 0;
    while (came < total) {
      const { value } = await alice.inbound.next();
      if (value.kind === 'message') assert.is(Number.parseInt(value.text, 10), came++);
    }
    raw.socket.destroy();
  }),
);

test.run();
