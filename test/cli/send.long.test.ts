// send and history as whole programs: what exit 0 means, and what is kept when it is not 0.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Faults } from '../faults/faults.ts';
import { objects, withTwo } from './two.ts';

const MESSAGE = ['id', 'peer', 'name', 'outgoing', 'state', 'at', 'date', 'flags', 'text'];

const sending = suite('cli: send');

sending(
  'arguments, a pipe, lines; urgent; what each side sees of it',
  withTwo(async ({ alice, bob }) => {
    assert.is(await alice.ok('send bob hello bob'), '');
    assert.is(await alice.ok('send bob', { input: 'from a\npipe\n' }), '');
    const [urgent] = await alice.json('send bob - --notify', { input: '-\n' });
    assert.equal(urgent, { id: urgent?.id, to: bob.key, name: 'bob', state: 'accepted' });
    assert.match(String(urgent?.id), /^[0-9a-f]{32}$/);
    const lines = await alice.json('send bob --lines', { input: 'one\n\ntwo\r\nthree' });
    assert.equal(
      lines.map(({ state }) => state),
      ['accepted', 'accepted', 'accepted'],
    );
    const got = await bob.json('receive');
    assert.equal(
      got.map(({ text }) => text),
      ['hello bob', 'from a\npipe', '-', 'one', 'two', 'three'],
    );
    for (const each of got) assert.equal(Object.keys(each), MESSAGE);
    const { id, peer, name, outgoing, state, flags } = got[2] ?? {};
    assert.equal([id, peer, name, outgoing, state], [urgent?.id, alice.key, null, false, null]);
    assert.equal(flags, ['NOTIFY']);
    assert.is(await bob.ok('receive'), '', 'all is read');
    await alice.ok('send bob last --wait delivered --timeout 1ms').catch(() => {});
    const history = await alice.json('history bob --limit 2');
    assert.equal(
      history.map(({ text, outgoing: sent }) => [text, sent]),
      [
        ['three', true],
        ['last', true],
      ],
    );
    assert.match(await bob.ok(`history ${alice.key} --search PIPE`), /: from a\n {4}pipe\n$/);
  }),
);

sending(
  'until he has it: at once when he is there, 75 and kept when he is not',
  withTwo(async ({ alice, bob }) => {
    const follower = bob.start('receive --follow');
    await alice.ok('send bob here --wait delivered');
    assert.match(await follower.line(), /: here$/);
    assert.is(await follower.end(), 'SIGTERM');
    assert.not.ok(
      bob.storeFiles.some((name) => name.endsWith('.open')),
      'closed in good order',
    );
    const said = await alice.run('send bob away --wait delivered --timeout 5s --json');
    assert.is(said.code, 75);
    assert.match(said.stderr, /bob has not got it in 5s.*kept by the relay.*\[send-pending\]/);
    assert.equal(
      objects(said.stdout).map(({ state }) => state),
      ['accepted'],
    );
    assert.match(await bob.ok('receive'), /: away\n$/);
  }),
);

sending(
  'no relay: kept here, said with its address, and sent at the next command',
  withTwo(async ({ alice, bob, relay }) => {
    await alice.ok('contacts add bob');
    await relay.stop();
    const said = await alice.fails('send bob later --timeout 5s', [75, 'send-pending']);
    assert.match(said, new RegExp(`127.0.0.1 port ${relay.port}.*kept here.*still sent`));
    const unknown = await alice.fails('send carol hi --timeout 5s', [69, 'relay-unreachable']);
    assert.match(unknown, /nothing listens there/);
    assert.is((await alice.json('history bob'))[0]?.state, 'queued');
    assert.is(bob.port, relay.port);
  }),
);

sending(
  'what cannot be sent: nobody, nothing, too much, binary; nothing is kept of it',
  withTwo(async ({ alice, bob }) => {
    const x = (count: number) => 'x'.repeat(count);
    await alice.fails('send nobody hi', [67, 'contact-unknown']);
    await alice.fails('send bob', [65, 'bad-input'], { input: '\n' });
    await alice.fails('send bob', [65, 'content-too-large'], { input: x(61_341) });
    await alice.fails('send bob', [65, 'bad-input'], { input: 'a\0b' });
    await alice.fails('send bob hi --lines', [64, 'usage']);
    await alice.fails('send bob hi --wait forever', [64, 'usage']);
    await alice.fails(`send ${alice.key} hi`, [65, 'bad-input']);
    await alice.ok('contacts add bob');
    await alice.ok('contacts block bob');
    assert.match(await alice.fails('send bob hi', [77, 'contact-blocked']), /unblock first/);
    await alice.ok('contacts unblock bob');
    await alice.ok('send bob', { input: x(61_340) });
    const lines = `good\n${x(61_341)}\nnever\n`;
    const said = await alice.fails('send bob --lines', [65, 'content-too-large'], { input: lines });
    assert.match(said, /line 2/);
    const got = await bob.json('receive');
    assert.equal(
      got.map(({ text }) => String(text).length),
      [61_340, 4],
    );
  }),
);

sending(
  'a full disk refuses, and takes it when there is room',
  withTwo(async ({ alice, bob }) => {
    const faults = new Faults();
    try {
      await alice.ok('contacts add bob');
      const env = faults.env(alice.profile);
      faults.on('full');
      const said = await alice.fails('send bob hi', [75, 'store-full'], { env });
      assert.match(said, /16 MiB more must be free/);
      faults.off('full');
      await alice.ok('send bob again', { env });
      assert.match(await bob.ok('receive'), /: again\n$/);
    } finally {
      faults.remove();
    }
  }),
);

sending.run();
