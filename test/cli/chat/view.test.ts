// The full screen as lines: every size, every state, only what is visible.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { App } from '../../../src/cli/chat/app.ts';
import { painter } from '../../../src/cli/chat/paint.ts';
import { Screen } from '../../../src/cli/chat/screen.ts';
import { FakeChat, scene } from './fake.ts';
import { TinyTerminal } from './terminal.ts';

process.env.TZ = 'UTC';
const test = suite('chat: view');
const still = { draw() {}, redraw() {}, suspend() {}, ring() {}, quit() {}, fail() {} };
const key = (name: string) => ({ kind: 'key', name }) as const;

function open(chat: FakeChat, start = 'bob', hands = still): App {
  const app = new App(chat, hands);
  app.session.go(start);
  return app;
}

function look(app: App, columns: number, rows: number, colours = true): string[] {
  const terminal = new TinyTerminal(rows);
  const size = { columns, rows };
  terminal.write(new Screen().draw(app.frame(size, painter(colours)), size));
  assert.equal(terminal.strange, []);
  return terminal.screen;
}

test('in every size: as many lines as rows, none wider, the cursor in the input', () => {
  const app = open(scene());
  for (const text of ['', 'short', 'long '.repeat(100), 'a\n'.repeat(30)]) {
    app.editor.set(text);
    for (let columns = 1; columns < 130; columns += 9)
      for (const rows of [1, 4, 5, 7, 24]) {
        const frame = app.frame({ columns, rows }, painter(true));
        assert.is(frame.lines.length, rows, `${columns}x${rows}`);
        assert.ok(frame.row < rows && frame.column < columns, `${columns}x${rows}`);
        const screen = new TinyTerminal(rows);
        for (const line of frame.lines) {
          screen.column = 0;
          screen.write(line);
          assert.ok(screen.column <= columns, `${columns}x${rows} ${JSON.stringify(line)}`);
        }
      }
  }
});

test('20x5 can be used, smaller says so', () => {
  const app = open(scene());
  app.editor.set('hi');
  const screen = look(app, 20, 5);
  assert.match(screen[0] as string, /^ bob .*●$/);
  assert.match(screen[2] as string, /the build is red/);
  assert.is(screen[4], '> hi');
  assert.equal(look(app, 19, 5)[0], 'too small: 20x5 ne…');
});

test('the header says who, how sure, how connected', () => {
  const chat = scene();
  const app = open(chat);
  const header = () => look(app, 80, 24)[0] as string;
  assert.match(header(), /^ bob · verified .* online · flexim over tcp, 127\.0\.0\.1:4321$/);
  chat.connect({ state: 'offline', transport: 'flexim over tcp' });
  chat.set('bob', { trust: 'changed', presence: 'typing' });
  assert.match(header(), /^ bob · KEY CHANGED · typing .* offline · flexim over tcp$/);
  const screen = look(app, 80, 24).join('\n');
  assert.match(screen, /The key of bob changed: nothing is sent/);
  assert.match(look(app, 40, 24)[0] as string, /unread|KEY CHANGED/);
});

test('conversations with what is unread from 60 columns', () => {
  const screen = look(open(scene()), 60, 12);
  assert.match(screen[1] as string, /^1 bob +│/, 'what is on the screen is not unread');
  assert.match(screen[2] as string, /^2 花子 +1│/);
  assert.match(screen[3] as string, /^3 eve +!1│/);
  assert.not.match(look(open(scene()), 59, 12).join(), /eve/);
});

test('days, unread rule, ticks, urgent, actions', () => {
  const screen = look(open(scene()), 100, 40).join('\n');
  for (const words of [
    /─ Saturday 14 March 2026 ─/,
    /─ new ─+\n.*12:07 bob: 日本/,
    /me> this one is read ✓✓ read$/m,
    /me> this one is delivered ✓✓$/m,
    /me> this one is accepted ✓$/m,
    /me> this one is queued ·$/m,
    /12:06 \* me waves ✓✓/,
    /12:10 URGENT bob: the build is red/,
  ])
    assert.match(screen, words);
});

test('without colours only attributes', () => {
  const terminal = new TinyTerminal(24);
  const size = { columns: 80, rows: 24 };
  terminal.write(new Screen().draw(open(scene()).frame(size, painter(false)), size));
  for (const style of terminal.styles) assert.match(style, /^[0127;]+$/);
});

test('PgUp and PgDn: nothing is skipped, and back at the end it follows', () => {
  const chat = new FakeChat().person('bob');
  for (let i = 0; i < 300; i++) chat.add('bob', `number ${i} ${'word '.repeat(i % 23)}`);
  const app = open(chat);
  const seen = new Set<string>();
  const collect = () => {
    const screen = look(app, 50, 14).join('\n');
    for (const [, number] of screen.matchAll(/number (\d+)/g)) seen.add(number as string);
    return screen;
  };
  const first = collect();
  for (let i = 0; i < 100; i++) {
    app.press(key('page-up'));
    collect();
  }
  assert.is(seen.size, 300);
  assert.match(look(app, 50, 14)[1] as string, /Saturday 14 March/);
  const before = look(app, 50, 14);
  chat.add('bob', 'later');
  assert.equal(look(app, 50, 14).slice(1, 12), before.slice(1, 12), 'it stands still');
  for (let i = 0; i < 101; i++) app.press(key('page-down'));
  assert.match(collect(), /later/);
  assert.not.match(first, /later/);
});

test('what is still being read says so, and PgUp goes on when it is there', () => {
  const chat = new FakeChat().person('bob');
  for (let i = 0; i < 300; i++) chat.add('bob', `number ${i}`);
  chat.known = 0;
  const app = open(chat);
  assert.match(look(app, 60, 14).join('\n'), /… being read …$/m);
  assert.not.match(look(app, 60, 14).join('\n'), /Nothing was said/);
  app.shown();
  assert.equal(chat.calls, [], 'nothing was seen yet');
  chat.load('bob', 20);
  assert.match(look(app, 60, 14).join('\n'), /number 299/);
  for (let i = 0; i < 9; i++) app.press(key('page-up'));
  const waiting = look(app, 60, 14).join('\n');
  assert.match(waiting, /… being read …[\s\S]*number 280/);
  chat.load('bob', 300);
  app.press(key('page-up'));
  assert.match(look(app, 60, 14).join('\n'), /number 27\d/);
  assert.not.match(look(app, 60, 14).join('\n'), /being read/);
});

test('PgDn stands still where more is being read, and does not jump to the end', () => {
  const chat = new FakeChat().person('bob');
  for (let i = 0; i < 300; i++) chat.add('bob', `number ${i}`);
  const app = open(chat);
  look(app, 60, 14);
  for (let i = 0; i < 9; i++) app.press(key('page-up'));
  const before = look(app, 60, 14);
  const after = chat.after.bind(chat);
  chat.after = () => ({ entries: [], pending: true });
  app.press(key('page-down'));
  assert.equal(look(app, 60, 14), before);
  chat.after = after;
  app.press(key('page-down'));
  assert.not.equal(look(app, 60, 14), before);
  assert.not.match(look(app, 60, 14).join('\n'), /number 299/);
});

test('what a peer wrote at another time says when', () => {
  const chat = new FakeChat().person('bob');
  chat.add('bob', 'late', { written: Date.UTC(2026, 2, 13, 22, 5) });
  assert.match(look(open(chat), 80, 10).join('\n'), /12:00 \(13 Mar 22:05\) bob: late/);
});

test('a panel is wrapped, and a QR code is whole or not there', () => {
  const chat = new FakeChat().person('bob');
  const qr = Array.from({ length: 15 }, () => '█▀▄ '.repeat(8));
  chat.verification = async () => ({ number: '11111 '.repeat(12).trim(), qr });
  const shown = async (columns: number, rows: number) => {
    const app = open(chat);
    app.session.enter('/verify');
    await app.session.idle();
    return look(app, columns, rows).join('\n');
  };
  return Promise.all([shown(80, 30), shown(40, 30), shown(80, 20)]).then(([wide, narrow, low]) => {
    assert.is(wide.match(/█▀▄/g)?.length, 15 * 8);
    assert.match(narrow, /\/verify yes/);
    for (const screen of [low]) {
      assert.not.match(screen, /█▀▄/);
      assert.match(screen, /the QR code needs 32 columns and 15 lines/);
    }
  });
});

test('only what is visible is read', () => {
  const chat = new FakeChat().person('bob');
  for (let i = 0; i < 5000; i++) chat.add('bob', `number ${i}`);
  let read = 0;
  const before = chat.before.bind(chat);
  chat.before = (id, entry, count) => {
    const found = before(id, entry, count);
    read += found.entries.length;
    return found;
  };
  const app = open(chat);
  look(app, 80, 24);
  app.press({ kind: 'text', text: 'x' });
  look(app, 80, 24);
  assert.ok(read < 60, `${read} entries`);
});

test('seen is told when it is on the screen at its end, not before', () => {
  const chat = scene();
  const app = open(chat);
  look(app, 80, 12);
  app.press(key('page-up'));
  app.shown();
  assert.ok(!chat.calls.includes('seen bob-10'));
  app.press(key('page-down'));
  look(app, 80, 12);
  app.shown();
  assert.ok(chat.calls.includes('seen bob-10'));
  const told = chat.calls.length;
  app.shown();
  assert.is(chat.calls.length, told);
});

test('search goes from the newest hit to older ones; Escape leaves', async () => {
  const chat = new FakeChat().person('bob');
  for (let i = 0; i < 200; i++) chat.add('bob', i % 50 === 0 ? `needle ${i}` : `hay ${i}`);
  const app = open(chat);
  const enter = async (text: string) => {
    app.editor.set(text);
    app.press(key('enter'));
    await app.session.idle();
    return look(app, 80, 24).join('\n');
  };
  assert.match(await enter('/search needle'), /needle 150[\s\S]*1 of 4/);
  assert.match(await enter('/search'), /needle 100[\s\S]*2 of 4/);
  assert.match(await enter('/search nothing'), /no entry has “nothing”/);
  app.press(key('escape'));
  assert.match(look(app, 80, 24).join('\n'), /hay 199/);
});

test('frames in any order: the screen is what the last one says, and the same one costs nothing', () => {
  const frame = fc.record({
    lines: fc.array(fc.constantFrom('', 'abc', '\x1b[1mbold\x1b[0m', '花子', 'x'.repeat(10)), {
      minLength: 4,
      maxLength: 4,
    }),
    row: fc.nat(3),
    column: fc.nat(9),
  });
  fc.assert(
    fc.property(fc.array(frame, { minLength: 1, maxLength: 8 }), (frames) => {
      const [screen, terminal, size] = [
        new Screen(),
        new TinyTerminal(4),
        { columns: 10, rows: 4 },
      ];
      for (const each of frames) {
        terminal.write(screen.draw(each, size));
        const fresh = new TinyTerminal(4);
        fresh.write(new Screen().draw(each, size));
        assert.equal(terminal.screen, fresh.screen);
        assert.equal([terminal.row, terminal.column], [each.row, each.column]);
        assert.is(screen.draw(each, size), '');
      }
    }),
  );
});

test('one changed line is one written line', () => {
  const screen = new Screen();
  const size = { columns: 10, rows: 3 };
  screen.draw({ lines: ['a', 'b', 'c'], row: 0, column: 0 }, size);
  const bytes = screen.draw({ lines: ['a', 'X', 'c'], row: 0, column: 0 }, size);
  assert.match(bytes, /X/);
  assert.not.match(bytes, /[ac](?!\[)$|2J/);
  assert.is(bytes.match(/;1H/g)?.length, 2);
});

test.run();
