// The chat screen in one of its three modes, until the user leaves or the terminal ends.

import { App } from './app.ts';
import { fullScreen } from './full.ts';
import type { End } from './guard.ts';
import { inline } from './inline.ts';
import { loop } from './loop.ts';
import type { Chat } from './model.ts';
import { painter } from './paint.ts';
import { plain } from './plain.ts';
import type { Session } from './session.ts';

export type ModeName = 'full' | 'inline' | 'plain';

export interface Options {
  /** What the user asked for; null: the best that the terminal can. */
  readonly mode: ModeName | null;
  /** What the session begins with: a conversation, or somebody to look for. */
  readonly start: (session: Session) => void;
}

/** Plain without a terminal on either side, or on one that can do nothing. */
export function chooseMode(asked: ModeName | null): ModeName {
  const able = process.stdin.isTTY && process.stdout.isTTY && process.env.TERM !== 'dumb';
  return able ? (asked ?? 'full') : 'plain';
}

export function openChat(chat: Chat, { mode, start }: Options): Promise<End> {
  const chosen = chooseMode(mode);
  const { stdin: input, stdout: output } = process;
  if (chosen === 'plain') return plain({ input, output }, chat, start);
  const paint = painter(!process.env.NO_COLOR);
  return loop({ input, output }, (hands) => {
    const app = new App(chat, hands);
    start(app.session);
    const made = chosen === 'full' ? fullScreen(app, paint) : inline(app, chat, paint);
    return { app, mode: made };
  });
}
