// The chat screen with 100,000 messages of history: from a key to the bytes of its frame, and the CPU of an
// incoming message, without a terminal.

import { App } from '../src/cli/chat/app.ts';
import { fullScreen } from '../src/cli/chat/full.ts';
import { KeyReader } from '../src/cli/chat/keys.ts';
import { painter } from '../src/cli/chat/paint.ts';
import { FakeChat } from '../test/cli/chat/fake.ts';
import { cpuMs, keyOf, part, press, TEXTS } from './keys.ts';
import type { Report } from './measure.ts';

const HISTORY = 100_000;
const KEYS = 2_000;
const MESSAGES = 2_000;
const ECHO_MS = 16;
const MESSAGE_MS = 1;
const SIZE = { columns: 120, rows: 40 };

export async function screen(): Promise<Report[]> {
  const chat = new FakeChat().person('bob').person('carol');
  for (let i = 0; i < HISTORY; i++) chat.add('bob', `${i} ${TEXTS[i % TEXTS.length]}`);
  const app = new App(chat, {
    draw() {},
    redraw() {},
    suspend() {},
    ring() {},
    quit() {},
    fail() {},
  });
  app.session.go('bob');
  const mode = fullScreen(app, painter(true));
  const reader = new KeyReader();
  let bytes = mode.render(SIZE).length;
  chat.conversations = fixed(chat); // the fake counts unread ones anew each time

  const echoes: number[] = [];
  const work: number[] = [];
  for (let i = 0; i < KEYS; i++) {
    const key = new TextEncoder().encode(keyOf(i));
    const [began, used] = [performance.now(), process.cpuUsage()];
    press(reader.feed(key), app);
    bytes += mode.render(SIZE).length;
    echoes.push(performance.now() - began);
    work.push(cpuMs(used));
  }
  const before = process.cpuUsage();
  for (let i = 0; i < MESSAGES; i++) {
    chat.add('bob', `new ${i} ${TEXTS[i % TEXTS.length]}`);
    bytes += mode.render(SIZE).length;
  }
  return [report(echoes, work, { messageMs: cpuMs(before) / MESSAGES, bytes })];
}

function fixed(chat: FakeChat): FakeChat['conversations'] {
  const conversations = chat.conversations();
  return () => conversations;
}

function report(
  echoes: readonly number[],
  work: readonly number[],
  { messageMs, bytes }: { readonly messageMs: number; readonly bytes: number },
): Report {
  const [wall, cpu] = [echoes, work].map((all) => all.toSorted((a, b) => a - b));
  const line = (sorted: readonly number[] = []) =>
    [0.5, 0.99, 1].map((which) => part(sorted, which).toFixed(2).padStart(7)).join(' ');
  const title = `screen: ${SIZE.columns}x${SIZE.rows}, ${HISTORY} messages of history`;
  const text = [
    `${title}, ms: p50, p99, most`,
    `  key to bytes       ${line(wall)}   limit of p99 ${ECHO_MS}`,
    `  the same, of CPU   ${line(cpu)}`,
    `  incoming message   ${messageMs.toFixed(3)} of CPU, drawn each   limit ${MESSAGE_MS}`,
  ].join('\n');
  // CPU, for on a busy machine the clock measures the others.
  const p99 = part(cpu ?? [], 0.99);
  const bounds = [
    { what: `screen: key echo p99 under ${ECHO_MS} ms of CPU`, kept: p99 < ECHO_MS },
    {
      what: `screen: an incoming message under ${MESSAGE_MS} ms of CPU`,
      kept: messageMs < MESSAGE_MS,
    },
  ];
  return {
    title,
    text,
    data: { wall: part(wall ?? [], 0.99), cpu: p99, messageMs, bytes },
    bounds,
  };
}
