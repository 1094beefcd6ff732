// Keys to the app and frames to the terminal, for the two modes that draw. A key is shown at once; what
// comes by itself is gathered for a moment, so that a flood of messages costs few frames.

import type { ReadStream, WriteStream } from 'node:tty';
import type { App, Hands } from './app.ts';
import { type End, ending, Guard } from './guard.ts';
import { KeyReader } from './keys.ts';
import type { Size } from './view.ts';

const FRAME_MS = 16;
const GRACE_MS = 2_000;

/** How the app gets onto a terminal. */
export interface Mode {
  readonly enter: string;
  leave(): string;
  /** What is on the screen is not known any more. */
  forget(): void;
  /** What to write for what has changed. */
  render(size: Size): string;
}

export interface Streams {
  readonly input: ReadStream;
  readonly output: WriteStream;
}

/** Runs until the user leaves or the terminal ends. `make` gets the hands for its app. */
export async function loop(
  { input, output }: Streams,
  make: (hands: Hands) => { readonly app: App; readonly mode: Mode },
): Promise<End> {
  const reader = new KeyReader();
  const { ended, end } = ending();
  let timer: NodeJS.Timeout | null = null;
  let lone: NodeJS.Timeout | undefined;
  let drawn = 0;
  let dirty = false;
  let over = false;
  let failure: { readonly error: unknown } | null = null;

  const drawNow = () => {
    if (timer) clearTimeout(timer);
    timer = null;
    // A terminal that takes nothing gets no more frames, and the newest when it does again.
    if (over || !dirty || output.writableNeedDrain) return;
    dirty = false;
    const size = { columns: output.columns || 80, rows: output.rows || 24 };
    const bytes = mode.render(size);
    if (bytes !== '') output.write(bytes);
    drawn = performance.now();
    app.shown();
  };
  const draw = () => {
    dirty = true;
    const wait = Math.max(0, FRAME_MS - (performance.now() - drawn));
    timer ??= setTimeout(drawNow, wait);
  };
  const redraw = () => {
    mode.forget();
    draw();
  };
  const hands: Hands = {
    draw,
    redraw,
    suspend: () => guard.suspend(),
    ring: () => output.write('\x07'),
    quit: () => end('quit'),
    fail: (error) => {
      failure = { error };
      end('quit');
    },
  };
  const { app, mode } = make(hands);
  const guard = new Guard({
    input,
    output,
    enter: mode.enter,
    leave: () => mode.leave(),
    onEnd: end,
    onResume: redraw,
  });
  const press = (keys: ReturnType<KeyReader['feed']>) => {
    for (const key of keys) app.press(key);
    drawNow();
  };
  const read = (bytes: Buffer) => {
    clearTimeout(lone);
    press(reader.feed(bytes));
    if (reader.wait !== null) lone = setTimeout(() => press(reader.flush()), reader.wait);
  };
  input.on('data', read);
  output.on('resize', redraw);
  output.on('drain', drawNow);
  dirty = true;
  drawNow();
  try {
    const how = await ended;
    if (failure) throw (failure as { readonly error: unknown }).error;
    if (how !== 'quit') await kept(app); // the terminal has been given back by now
    return how;
  } finally {
    over = true;
    if (timer) clearTimeout(timer);
    clearTimeout(lone);
    input.off('data', read);
    output.off('resize', redraw);
    output.off('drain', drawNow);
    input.pause();
    guard.close();
    app.close();
  }
}

/** Waits a little for what was entered to be kept: who ends a program does not wait for ever. */
async function kept(app: App): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, GRACE_MS);
  });
  await Promise.race([app.session.idle(), enough]);
  clearTimeout(timer);
}
