// Two real nodes, and one that knows nothing but the seed document.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withNodes } from './nodes.ts';
import { withPython } from './python.ts';

const test = suite('enclave: nodes');

test(
  'two friends meet, talk without encryption when it was allowed, and part',
  withNodes(async ({ open }) => {
    const bob = await open({ alias: 'Bob', lines: 'alice 127.0.0.1:0 plain\n' });
    const alice = await open({
      alias: 'Alice',
      lines: `bob 127.0.0.1:${bob.node.address.port} plain\n`,
    });
    const online = await alice.heard('friend', ({ friend }) => friend.status === 1);
    assert.is(online.friend.alias, 'Bob');
    assert.is(
      (await bob.heard('friend', ({ friend }) => friend.status === 1)).friend.name,
      'alice',
    );
    alice.node.outbound.push({ kind: 'message', to: 'bob', text: 'hello', id: 1 });
    assert.is((await bob.heard('message')).text, 'hello');
    assert.is((await alice.heard('sent')).id, 1);
    bob.node.outbound.push({ kind: 'message', to: 'alice', text: 'hi', id: 1 });
    const answer = await alice.heard('message');
    assert.equal([answer.name, answer.text, typeof answer.at], ['bob', 'hi', 'number']);
    await alice.leave();
    await bob.heard('friend', ({ friend }) => friend.status === 0 && friend.alias === 'Alice');
  }),
);

test(
  'a plain node that we dial: talking both ways, status, alias, leaving',
  withNodes(({ open }) =>
    withPython('carol', [], async (carol) => {
      const alice = await open({ alias: 'Alice', lines: `carol 127.0.0.1:${carol.port}\n` });
      const met = await alice.heard('friend', ({ friend }) => friend.status === 1);
      assert.equal([met.friend.alias, met.friend.note, met.friend.key], ['carol', 'here', null]);
      assert.equal(await carol.got(), { alias: 'Alice', status: 1, 'status-message': '' });
      carol.says('say hello, wörld');
      assert.is((await alice.heard('message')).text, 'hello, wörld');
      alice.node.outbound.push({ kind: 'message', to: 'carol', text: 'no', id: 7 });
      const refused = await alice.heard('trouble', ({ id }) => id === 7);
      assert.is(refused.error.code, 'not-encrypted');
      alice.book.update((book) => book.change('carol', { isPlain: true }));
      alice.node.outbound.push({ kind: 'look' });
      alice.node.outbound.push({ kind: 'message', to: 'carol', text: 'yes', id: 8 });
      assert.equal(await carol.got(), { message: 'yes' });
      alice.node.outbound.push({ kind: 'status', status: 3, note: 'not now' });
      assert.equal(await carol.got(), { status: 3, 'status-message': 'not now' });
      alice.node.outbound.push({ kind: 'alias', alias: 'Alicia' });
      assert.equal(await carol.got(), { alias: 'Alicia' });
      carol.says('status 2 at lunch');
      const away = await alice.heard('friend', ({ friend }) => friend.status === 2);
      assert.is(away.friend.note, 'at lunch');
      carol.says('alias Caroline');
      await alice.heard('friend', ({ friend }) => friend.alias === 'Caroline');
      carol.says('quit');
      await alice.heard('friend', ({ friend }) => friend.status === 0 && friend.alias !== '');
    }),
  ),
);

test(
  'a plain node that dials us: asked about, accepted, and we leave',
  withNodes(async ({ open }) => {
    const alice = await open({ alias: 'Alice', strangers: 'ask' });
    await withPython('carol', [alice.node.address.port], async (carol) => {
      const { stranger } = await alice.heard('stranger');
      assert.equal([stranger.alias, stranger.host, stranger.key], ['carol', '127.0.0.1', null]);
      carol.says('say before anybody said yes');
      alice.node.outbound.push({ kind: 'answer', id: stranger.id, verdict: 'accept', name: null });
      assert.is((await alice.heard('message')).text, 'before anybody said yes');
      assert.is(alice.book.book.format(), 'carol 127.0.0.1:0\n');
      assert.equal(await carol.got(), { alias: 'Alice', status: 1, 'status-message': '' });
      await alice.leave();
      assert.equal(await carol.got(), { status: 0 });
      await carol.gone();
    });
  }),
);

test.run();
