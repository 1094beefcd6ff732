// receive as a whole program: what is read, what comes again, and what nobody takes away from it.

import { once } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withTwo } from './two.ts';

const receiving = suite('cli: receive');

receiving(
  'acknowledged by id: the rest comes again',
  withTwo(async ({ alice, bob }) => {
    await alice.ok('send bob --lines', { input: 'one\ntwo\nthree\n' });
    const bot = bob.start('receive --json --ack-stdin', { isOpen: true });
    const ids = [];
    for (let i = 0; i < 3; i++) ids.push(JSON.parse(await bot.line()).id);
    bot.say(`${ids[1]}\nnonsense\n`);
    bot.child.stdin?.end();
    assert.match(await stderrOf(bot.child), /no id of a message[\s\S]*not acknowledged: 2/);
    const again = bob.start('receive --follow --json --ack-stdin', { isOpen: true });
    for (const text of ['one', 'three']) {
      const message = JSON.parse(await again.line());
      assert.is(message.text, text);
      again.say(`${message.id}\n`);
    }
    await alice.ok('send bob four --wait delivered');
    assert.is(JSON.parse(await again.line()).text, 'four');
    const ended = once(again.child, 'close');
    again.child.stdin?.end(); // the bot is gone: nothing more can be acknowledged
    assert.match(await stderrOf(again.child), /not acknowledged: 1/);
    assert.equal(await ended, [0, null]);
    assert.match(await bob.ok('receive'), /^[^\n]*: four\n$/);
  }),
);

receiving(
  'what nobody read any more comes again',
  withTwo(async ({ alice, bob }) => {
    await alice.ok('send bob --lines', { input: 'one\ntwo\n' });
    const { child } = bob.start('receive');
    child.stdout?.destroy();
    const code = await new Promise((resolve) => child.on('close', resolve));
    assert.is(code, 0);
    assert.not.ok(
      bob.storeFiles.some((name) => name.endsWith('.open')),
      'closed in good order',
    );
    assert.match(await bob.ok('receive'), /: one\n.*: two\n$/);
  }),
);

receiving(
  'only from somebody; the others wait',
  withTwo(async ({ alice, bob }) => {
    await alice.ok('send bob from alice');
    await bob.ok(`contacts add ${alice.key} al`);
    await bob.fails('receive --from carol', [67, 'contact-unknown']);
    assert.is(await bob.ok(`receive --from ${'ab'.repeat(32)}`), '');
    assert.match(await bob.ok('receive --from al'), / {2}al: from alice\n$/);
  }),
);

receiving(
  'no relay: what is here is printed and read, and the reason said',
  withTwo(async ({ alice, bob, relay }) => {
    await alice.ok('send bob one');
    const bot = bob.start('receive --ack-stdin', { isOpen: true });
    await bot.line();
    await bot.end();
    await relay.stop();
    const { code, stdout, stderr } = await bob.run('receive --timeout 2s');
    assert.is(code, 69);
    assert.match(stdout, /: one\n$/);
    assert.match(stderr, /not connected: [\s\S]*trying for 2s[\s\S]*\[relay-unreachable\]\n$/);
    await bob.fails('receive --timeout 200ms', [69, 'relay-unreachable']);
  }),
);

receiving(
  'a ping while one follows takes nothing away',
  withTwo(async ({ alice, bob }) => {
    const follower = bob.start('receive --follow');
    await alice.ok('send bob before --wait delivered');
    await follower.line();
    const { code, stderr } = await bob.run('ping');
    assert.ok(code === 0 || /store-busy/.test(stderr), stderr);
    const { stdout } = await bob.run('doctor');
    assert.not.match(stdout, /^fault/m);
    await alice.ok('send bob after --wait delivered');
    assert.match(await follower.line(), /: after$/);
    await follower.end('SIGINT');
  }),
);

receiving.run();

async function stderrOf(child: { readonly stderr: NodeJS.ReadableStream | null }): Promise<string> {
  let text = '';
  for await (const chunk of child.stderr ?? []) text += chunk;
  return text;
}
