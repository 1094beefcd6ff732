// Commands, and what is sent: in order, never by mistake, never lost.

import { PassThrough } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { App } from '../../../src/cli/chat/app.ts';
import { COMMANDS, parse } from '../../../src/cli/chat/commands.ts';
import { plain } from '../../../src/cli/chat/plain.ts';
import { FleximError, isFleximError } from '../../../src/lib/errors.ts';
import { FakeChat } from './fake.ts';

process.env.TZ = 'UTC';
const test = suite('chat: commands');
const size = { columns: 100, rows: 30 };
const paint = (spans: readonly { text: string }[]) => spans.map(({ text }) => text).join('');

function open(chat = new FakeChat().person('bob').person('carol')) {
  const asked: string[] = [];
  const note = (what: string) => () => void asked.push(what);
  const hands = {
    draw() {},
    redraw: note('redraw'),
    suspend: note('suspend'),
    ring: note('ring'),
    quit: note('quit'),
    fail: note('fail'),
  };
  const app = new App(chat, hands);
  app.session.go('bob');
  const enter = async (text: string) => {
    app.editor.set(text);
    app.press({ kind: 'key', name: 'enter' });
    await app.session.idle();
    return app.frame(size, paint).lines.join('\n');
  };
  const press = (name: string) => app.press({ kind: 'key', name });
  return { app, chat, asked, enter, press };
}

test('what a line means', () => {
  assert.equal(parse('  \n '), { kind: 'nothing' });
  assert.equal(parse('hi /there'), { kind: 'message', text: 'hi /there' });
  assert.equal(parse('//etc/passwd'), { kind: 'message', text: '/etc/passwd' });
  assert.equal(parse('/ME waves\ntwice'), { kind: 'command', name: 'me', rest: 'waves\ntwice' });
  for (const odd of ['/', '/nope x', '/quit!', '/constructor', '/etc/passwd'])
    assert.is(parse(odd).kind, 'unknown', odd);
});

test('unknown commands are not sent, say what there is, and stay in the input', async () => {
  const { app, chat, enter } = open();
  const screen = await enter('/mgs carol secret');
  assert.match(screen, /not sent: there is no \/mgs\. There are \/help/);
  assert.is(app.editor.text, '/mgs carol secret');
  assert.equal(chat.sent, []);
});

test('messages, /me, /notify, // and /msg with a text', async () => {
  const { chat, enter } = open();
  for (const line of ['one', '/me waves', '/notify fire', '//x', '/msg carol two\nlines', ' '])
    await enter(line);
  assert.equal(
    chat.sent.map(({ text, notify, action }) => `${text}${notify ? '!' : ''}${action ? '*' : ''}`),
    ['one', 'waves*', 'fire!', '/x', 'two\nlines'],
  );
  assert.is(chat.before('carol', null, 9).entries.length, 1);
});

test('messages keep their order, also when one takes long', async () => {
  const { app, chat } = open();
  let open1: () => void = () => {};
  const send = chat.send.bind(chat);
  const first = new Promise<void>((resolve) => {
    open1 = resolve;
  });
  chat.send = async (id, message) => {
    if (message.text === '1') await first;
    await send(id, message);
  };
  for (const text of ['1', '2', '3']) app.session.enter(text);
  open1();
  await app.session.idle();
  assert.equal(
    chat.sent.map(({ text }) => text),
    ['1', '2', '3'],
  );
});

test('a message that is refused comes back into the input', async () => {
  const { app, chat, enter } = open();
  chat.refuses = new FleximError('store-full', 'the disk is full');
  assert.match(await enter('dear bob'), /not sent: the disk is full/);
  assert.is(app.editor.text, 'dear bob');
});

test('a changed key: nothing is sent until it is accepted', async () => {
  const { chat, enter } = open();
  chat.set('bob', { trust: 'changed' });
  assert.match(await enter('secret'), /not sent: the key of bob changed/);
  assert.equal(chat.sent, []);
  assert.match(await enter('/trust'), /the new key of bob is accepted/);
  await enter('secret');
  assert.is(chat.sent.length, 1);
});

test('/verify shows the number; /verify yes says that it was the same', async () => {
  const { chat, enter } = open();
  assert.match(await enter('/verify'), /00000 01111 02222 03333[\s\S]*█▀▀█/);
  assert.is(chat.conversations()[0]?.trust, 'unverified');
  assert.match(await enter('/verify yes'), /bob · verified/);
});

test('/transport shows how it goes, changes it, and names the ways that there are', async () => {
  const { app, chat, enter } = open();
  assert.match(await enter('/transport'), /flexim: now flexim over tcp, .* Others: commstream/);
  assert.match(await enter('/transport AUTO'), /going by auto/);
  assert.is(chat.way, 'auto');
  const wrong = /there is no such way; there are flexim, commstream, enclave, auto/;
  assert.match(await enter('/transport pigeon'), wrong);
  assert.is(chat.way, 'auto');
  assert.equal(app.session.complete('/transport en', 13).words, ['enclave']);
});

test('the header says how it goes to this person, and follows', async () => {
  const { app, chat } = open();
  const header = () => app.frame(size, paint).lines[0] ?? '';
  assert.match(header(), /online · flexim over tcp/);
  chat.straight.add('bob');
  chat.tell({ kind: 'conversations' });
  assert.match(header(), /online · enclave, straight/);
  app.session.go('carol');
  assert.match(header(), /online · flexim over tcp/);
  chat.straight.clear();
  chat.tell({ kind: 'conversations' });
  app.session.go('bob');
  assert.match(header(), /online · flexim over tcp/);
});

test('/help names every command; /status; /clear; /quit after what was entered', async () => {
  const { chat, enter, asked } = open();
  const help = await enter('/help');
  for (const { usage } of Object.values(COMMANDS)) assert.ok(help.includes(usage), usage);
  assert.match(await enter('/status'), /connection {2}online/);
  chat.add('bob', 'old news');
  assert.not.match(await enter('/clear'), /old news/);
  chat.add('bob', 'fresh');
  assert.match(await enter(''), /fresh/);
  await enter('/quit');
  assert.equal(asked, ['quit']);
});

test('/msg to nobody says so, and keeps the text', async () => {
  const { app, enter } = open();
  assert.match(await enter('/msg dave hello'), /nobody is called dave/);
  assert.is(app.editor.text, '/msg dave hello');
});

/** A chat whose next send waits until it is let go, or refused. */
function slow(chat: FakeChat) {
  let settle: (refused?: FleximError) => void = () => {};
  const send = chat.send.bind(chat);
  const wait = new Promise<void>((resolve, reject) => {
    settle = (refused) => (refused ? reject(refused) : resolve());
  });
  chat.send = async (id, message) => {
    await wait;
    await send(id, message);
  };
  return settle;
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

for (const how of ['ctrl-d', '/quit'])
  test(`${how} waits for what was entered to be kept`, async () => {
    const { app, chat, asked, press } = open();
    const settle = slow(chat);
    const leave = () => (how === 'ctrl-d' ? press(how) : app.session.enter(how));
    app.session.enter('one');
    leave();
    await turn();
    assert.equal(asked, []);
    settle();
    await app.session.idle();
    assert.equal([asked, chat.sent.length], [['quit'], 1]);
  });

test('what is refused while one leaves keeps one there; Ctrl-D twice does not wait', async () => {
  const { app, chat, asked, press } = open();
  const settle = slow(chat);
  app.session.enter('one');
  press('ctrl-d');
  settle(new FleximError('store-full', 'the disk is full'));
  await app.session.idle();
  assert.equal([asked, app.editor.text], [[], 'one']);
  const other = open();
  slow(other.chat);
  other.app.session.enter('one');
  other.press('ctrl-d');
  await turn();
  other.press('ctrl-d');
  assert.equal(other.asked, ['quit']);
});

test('what is entered while somebody is looked up goes to him', async () => {
  const { app, chat } = open();
  let found: () => void = () => {};
  chat.open = () =>
    new Promise((resolve) => {
      found = () => resolve('carol');
    });
  app.session.begin('carol');
  app.session.enter('one');
  app.session.enter('two');
  await turn();
  found();
  await app.session.idle();
  assert.is(app.session.current?.id, 'carol');
  assert.equal(
    chat.before('carol', null, 9).entries.map(({ text }) => text),
    ['one', 'two'],
  );
});

test('what was found after one has gone elsewhere moves nothing there', async () => {
  const { app, chat, press } = open();
  chat.add('bob', 'needle');
  const search = chat.search.bind(chat);
  let found: () => void = () => {};
  const wait = new Promise<void>((resolve) => {
    found = resolve;
  });
  chat.search = (...asked) => wait.then(() => search(...asked));
  app.session.enter('/search needle');
  press('alt-2');
  found();
  await app.session.idle();
  assert.not.match(app.frame(size, paint).lines.join('\n'), /1 of 1/);
});

test('keys: Alt-1 to Alt-9, Ctrl-C, Ctrl-D, Ctrl-L, Ctrl-Z, Tab', async () => {
  const { app, asked, press } = open();
  press('alt-2');
  assert.is(app.session.current?.id, 'carol');
  press('alt-9');
  assert.is(app.session.current?.id, 'carol');
  app.editor.set('xy');
  for (const name of ['home', 'ctrl-d']) press(name);
  assert.is(app.editor.text, 'y');
  for (const name of ['ctrl-c', 'ctrl-c', 'ctrl-l', 'ctrl-z', 'ctrl-d']) press(name);
  await app.session.idle();
  assert.equal(asked, ['redraw', 'suspend', 'quit']);
  app.editor.set('/sea');
  press('tab');
  assert.is(app.editor.text, '/search ');
});

test('an urgent message rings, and says where from', () => {
  const { app, chat, asked } = open();
  chat.add('carol', 'fire', { notify: true });
  assert.equal(asked, ['ring']);
  assert.match(app.frame(size, paint).lines.join('\n'), /URGENT from carol: Alt-2/);
});

test('typing is told once', () => {
  const { app, chat, press } = open();
  for (const text of ['a', 'b']) app.press({ kind: 'text', text });
  press('ctrl-c');
  assert.equal(chat.calls, ['typing bob true', 'typing bob false']);
});

async function plainly(
  chat: FakeChat,
  input: string | Buffer,
  meanwhile = () => {},
): Promise<string> {
  const [from, to] = [new PassThrough(), new PassThrough()];
  const done = plain({ input: from, output: to }, chat, (session) => session.go('bob'));
  meanwhile();
  for (let at = 0; at < input.length; at += 3) from.write(input.slice(at, at + 3));
  from.end();
  await done.catch((error: unknown) => {
    if (!isFleximError(error, 'bad-input')) throw error;
    to.write(`${error.message}\n`);
  });
  to.end();
  return (await to.setEncoding('utf8').toArray()).join('');
}

test('plain: in words', async () => {
  const chat = new FakeChat().person('bob').person('carol');
  chat.add('bob', 'unread');
  const said = await plainly(chat, 'hello\n/me waves\n/nope\n//x', () => {
    chat.add('carol', 'two\nlines', { notify: true });
    const mine = chat.add('bob', 'mine', { from: 'me' });
    for (const state of ['accepted', 'delivered', 'failed'] as const)
      chat.setState('bob', mine.id, state);
    chat.connect({ state: 'offline', transport: '' });
  });
  assert.is(
    said.replace(/not sent: there.*/, 'not sent: …'),
    [
      'Conversation with bob, not verified. online, flexim over tcp, 127.0.0.1:4321. /help',
      'bob, 12:00: unread',
      'URGENT from carol, 12:01: two',
      '  lines',
      'delivered to bob: mine',
      'NOT SENT to bob: mine',
      'offline',
      'not sent: …',
      'one line was not sent; why stands above',
      '',
    ].join('\n'),
  );
  assert.equal(
    chat.sent.map(({ text }) => text),
    ['hello', 'waves', '/x'],
  );
});

test('plain: what is unread is said when it has been read from the disk, and once', async () => {
  const chat = new FakeChat().person('bob');
  for (let i = 0; i < 3; i++) chat.add('bob', `unread ${i}`);
  chat.known = 0;
  const said = await plainly(chat, '', () => {
    chat.add('bob', 'just now');
    chat.load('bob', 9);
    chat.load('bob', 10);
  });
  assert.equal(said.match(/^bob, .*/gm), [
    ...[0, 1, 2].map((i) => `bob, 12:0${i}: unread ${i}`),
    'bob, 12:03: just now',
  ]);
});

test('plain: a messenger that breaks ends it with its error', async () => {
  const chat = new FakeChat().person('bob');
  const error = new FleximError('store-failed', 'torn');
  const [from, to] = [new PassThrough(), new PassThrough()];
  const done = plain({ input: from, output: to }, chat, (session) => session.go('bob'));
  chat.tell({ kind: 'over', error });
  assert.is(await done.catch((reason: unknown) => reason), error);
});

test('plain: binary on stdin is not sent, and said', async () => {
  const chat = new FakeChat().person('bob');
  const said = await plainly(
    chat,
    Buffer.from('ok\n\xff\xfe\n\x00\x01\n\x1b[2J\nfine\r\n', 'latin1'),
  );
  assert.is(said.match(/no text in UTF-8/g)?.length, 3);
  assert.equal(
    chat.sent.map(({ text }) => text),
    ['ok', 'fine'],
  );
});

test.run();
