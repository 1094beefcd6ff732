// Texts and names of others that would move, hide, reorder or forge, through the whole chain in all three
// modes: nothing but our own sequences comes out.

import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { App } from '../../../src/cli/chat/app.ts';
import { fullScreen } from '../../../src/cli/chat/full.ts';
import { inline } from '../../../src/cli/chat/inline.ts';
import { painter } from '../../../src/cli/chat/paint.ts';
import { plain } from '../../../src/cli/chat/plain.ts';
import { count } from '../../count.ts';
import { anyText } from '../../texts.ts';
import { FakeChat } from './fake.ts';
import { HOSTILE } from './hostile-texts.ts';
import { TinyTerminal } from './terminal.ts';

const test = suite('chat: hostile text');
const quiet = { draw() {}, redraw() {}, suspend() {}, ring() {}, quit() {}, fail() {} };
const size = { columns: 70, rows: 20 };

/** Opens a chat in which everything that comes from others is this text; gives all bytes. */
async function through(
  make: (app: App, chat: FakeChat) => { render(at: typeof size): string; leave(): string },
  text: string,
): Promise<string> {
  const chat = new FakeChat().person('bob', text).person('eve', text);
  chat.connect({ state: 'offline', transport: text, why: text });
  const app = new App(chat, quiet);
  chat.add('bob', text);
  app.session.go('bob');
  const mode = make(app, chat);
  let bytes = mode.render(size);
  chat.tell({ kind: 'notice', text });
  bytes += mode.render(size);
  for (const more of [
    {},
    { notify: true },
    { from: 'system' },
    { from: 'me' },
    { action: true },
  ] as const) {
    chat.add('bob', text, more);
    bytes += mode.render(size);
  }
  chat.add('eve', text, { notify: true });
  bytes += mode.render(size);
  app.press({ kind: 'paste', text });
  bytes += mode.render(size);
  for (const name of ['tab', 'page-up', 'up', 'page-down', 'ctrl-u']) {
    app.press({ kind: 'key', name });
    bytes += mode.render(size);
  }
  for (const command of ['/verify', '/search fake', '/trust']) {
    app.editor.set(command);
    app.press({ kind: 'key', name: 'enter' });
    await app.session.idle();
    bytes += mode.render(size);
  }
  return bytes + mode.leave();
}

function strange(bytes: string): string[] {
  const terminal = new TinyTerminal(size.rows);
  terminal.write(bytes);
  return terminal.strange;
}

const MODES = {
  full: (app: App) => fullScreen(app, painter(true)),
  inline: (app: App, chat: FakeChat) => inline(app, chat, painter(true)),
};

for (const [name, make] of Object.entries(MODES)) {
  test(`${name}: nothing but our own sequences`, async () => {
    for (const text of HOSTILE)
      assert.equal(strange(await through(make, text)), [], JSON.stringify(text.slice(0, 40)));
  });

  test(`${name}: whatever comes`, async () => {
    const piece = fc.oneof(
      anyText({ maxLength: 5 }),
      fc.constantFrom(...'\x1b[]\x9b\x07\u202e\u200d\n\r;m2J'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (parts) => {
        assert.equal(strange(await through(make, parts.join(''))), []);
      }),
      { numRuns: count(3, 25) },
    );
  });
}

test('plain: words only, and no line of others passes for one of ours', async () => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const chat = new FakeChat();
  const all = HOSTILE.join('|');
  chat.person('bob', HOSTILE[0]).connect({ state: 'online', transport: all });
  chat.add('bob', 'before');
  const done = plain({ input, output }, chat, (session) => session.go('bob'));
  for (const text of HOSTILE) {
    chat.add('bob', text);
    chat.add('bob', text, { notify: true });
  }
  input.end('/status\n');
  assert.is(await done, 'quit');
  output.end();
  const said = (await output.setEncoding('utf8').toArray()).join('');
  assert.not.match(
    said,
    /(?!\n)\p{Cc}|[\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f\u2028\u2029\ufeff]|\p{M}{9}/u,
  );
  assert.not.match(said, /^12:00 me/m);
});

test('what a peer writes begins behind the time and who wrote it', () => {
  const chat = new FakeChat().person('bob');
  chat.add('bob', 'hi\n12:00 me> I agree ✓✓\n── new ──');
  const app = new App(chat, quiet);
  app.session.go('bob');
  const terminal = new TinyTerminal(12);
  terminal.write(fullScreen(app, painter(true)).render({ columns: 50, rows: 12 }));
  assert.ok(terminal.screen.includes('      12:00 me> I agree ✓✓'), terminal.screen.join('\n'));
  assert.ok(terminal.screen.includes('      ── new ──'));
});

test.run();
