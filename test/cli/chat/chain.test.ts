// Hostile texts from a real peer through the whole chain: encrypted by him, carried by a relay that lies about
// names, opened and stored here, and shown in every mode.

import { PassThrough } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inline } from '../../../src/cli/chat/inline.ts';
import { painter } from '../../../src/cli/chat/paint.ts';
import { plain } from '../../../src/cli/chat/plain.ts';
import { newIdentity } from '../../../src/crypto/identity.ts';
import { wellFormed } from '../../../src/lib/text.ts';
import type { Link } from '../../../src/protocols/protocol.ts';
import { Person } from '../../client/person.ts';
import { dialRelay, memoryPins, withRelay } from '../../relay.ts';
import { until } from '../../scene.ts';
import { HOSTILE } from './hostile-texts.ts';
import { Talker } from './live.ts';
import { TinyTerminal } from './terminal.ts';

const test = suite('chat: hostile peer and relay');
const SIZE = { columns: 70, rows: 20 };
const TEXTS = HOSTILE.filter((text) => wellFormed(text) === text); // the rest is no UTF-8, and is not taken
const ODD: readonly unknown[] = [
  null,
  7,
  -0,
  [['x']],
  { '\x1b[2J': '\x1b' },
  new Uint8Array(9),
  '',
];

/** Dials a relay that calls everybody by this name. */
function naming(port: number, alias: string) {
  const identity = newIdentity();
  const dial = async (): Promise<Link> => {
    const link = await dialRelay(port, { identity, pins: memoryPins(), reconnect: null });
    const find = async (key: string) => ({ key, aliases: [alias], lastSeen: 0 });
    const relay = { ...link.relay, name: alias };
    return new Proxy(link, {
      get: (target, name) => {
        if (name === 'directory') return { ...link.directory, find };
        const value = name === 'relay' ? relay : Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
  return { identity, dial };
}

for (const [i, claim] of [HOSTILE[1], HOSTILE[5]].entries())
  test(`nothing but our own sequences, whoever sends what: ${i}`, () =>
    withRelay(async ({ port }) => {
      const mallory = await (await new Person({ port }).open()).up();
      const bob = await (await Talker.open({ port, ...naming(port, claim as string) })).up();
      const sent = [
        ...TEXTS.map((body) => ({ body, flags: [body, 'NOTIFY'] })),
        ...TEXTS.map((body) => ({ body, flags: ['ACTION', '\x1b[2J'] })),
        ...ODD.map((body) => ({ body, flags: ['ACTION'] })),
      ];
      for (const letter of sent) await mallory.me.send(bob.key, letter);
      await until(() => bob.chat.conversations()[0]?.unread === sent.length, 'all came');
      const strange: string[] = [...bob.look(SIZE).strange];
      bob.app.press({ kind: 'key', name: 'alt-1' });
      const terminal = new TinyTerminal(SIZE.rows);
      const mode = inline(bob.app, bob.chat, painter(true));
      const render = () => {
        strange.push(...bob.look(SIZE).strange);
        terminal.write(mode.render(SIZE));
      };
      await until(() => !bob.chat.before(mallory.key, null, 1).pending, 'read');
      for (let page = 0; page < 60; page++) {
        render();
        bob.app.press({ kind: 'key', name: 'page-up' });
      }
      for (const line of [
        '/search fake',
        '/search',
        '/status',
        '/verify',
        '/msg nobody',
        'answer',
      ]) {
        await bob.enter(line);
        render();
      }
      terminal.write(mode.leave());
      assert.equal([...strange, ...terminal.strange], []);
      const entries = bob.chat.before(mallory.key, null, 999).entries;
      const came = entries.filter(({ from }) => from === 'peer');
      assert.is(came.length, sent.length, 'every one is shown');
      const odd = came.slice(-ODD.length).map(({ text }) => text);
      assert.equal(
        odd.slice(0, -1),
        Array(ODD.length - 1).fill('(not a text: nothing that this chat can show)'),
      );

      const [input, output] = [new PassThrough(), new PassThrough()];
      const done = plain({ input, output }, bob.chat, (session) => session.go(mallory.key));
      for (const body of TEXTS) await mallory.me.send(bob.key, { body });
      await until(
        () =>
          bob.chat.before(mallory.key, null, 999).entries.length >= entries.length + TEXTS.length,
        'more',
      );
      input.end('/status\n');
      assert.is(await done, 'quit');
      output.end();
      const said = (await output.setEncoding('utf8').toArray()).join('');
      assert.match(said, /00 me> yes/, 'the texts have come');
      assert.not.match(
        said,
        /(?!\n)\p{Cc}|[\u202a-\u202e\u2066-\u2069\u200b\u2028\u2029\ufeff]|\p{M}{9}/u,
      );
      await Promise.all([mallory.close(), bob.close()]);
    }));

test.run();
