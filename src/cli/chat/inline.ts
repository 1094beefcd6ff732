// --inline: entries go into the terminal's own scrollback, once, and the input stands below them. Ticks of
// what was printed cannot change any more, so the last one is in the status line.

import { presentable } from '../../lib/text.ts';
import type { App } from './app.ts';
import { Blocks, type Line, nameOf, rule, TICKS } from './entries.ts';
import { layInput } from './lay.ts';
import type { Mode } from './loop.ts';
import type { Chat, Entry } from './model.ts';
import { fill, fit, type Paint, type Span, spansWidth } from './paint.ts';
import { transportTo } from './standing.ts';
import { type Size, trustOf } from './view.ts';

const FIRST = 20; // entries shown of what was before
const MOST = 500; // new ones in one go

export function inline(app: App, chat: Chat, paint: Paint): Mode {
  const blocks = new Blocks();
  let conversation: string | null = null;
  let last: Entry | null = null; // the newest that is printed
  let live: readonly Line[] = []; // status and input, as they stand
  let row = 0; // of the cursor in them
  let column = 0;
  let columns = 0;
  let known = false;

  /** Entries that are not printed yet. */
  const news = (size: Size): Line[] => {
    const current = app.session.current;
    if (!current) return [];
    const look = app.look(size.columns);
    const lines: Line[] = [];
    const isNew = current.id !== conversation;
    const { entries, pending } =
      isNew || !last ? chat.before(current.id, null, FIRST) : chat.after(current.id, last.id, MOST);
    if (isNew && pending) return [];
    if (isNew) {
      lines.push(rule(fit(nameOf(current.name), size.columns - 6), size.columns, 'bold'));
      blocks.forget();
      conversation = current.id;
      last = null;
    }
    for (const entry of entries) {
      // Without ticks: they would stay as they are.
      const state = entry.state === 'failed' ? entry.state : null;
      lines.push(...blocks.of({ ...entry, state }, last, look));
      last = entry;
    }
    return lines;
  };

  const bottom = (size: Size) => {
    const most = Math.max(1, Math.floor(size.rows / 3));
    const input = layInput(app.editor, size.columns - 2, most);
    const lines = [
      statusLine(app, chat, size.columns),
      ...input.lines.map(
        (text, i): Line => [{ text: i === 0 ? '> ' : '  ', style: 'dim' }, { text }],
      ),
    ];
    return { lines, row: input.row + 1, column: Math.min(input.column + 2, size.columns - 1) };
  };

  /** To the beginning of what is live, and nothing below it. */
  const erase = (size: Size): string => {
    if (!known) return '';
    // A narrower terminal has folded the lines above the cursor.
    const above = live.slice(0, row).map((line) => Math.max(1, spansWidth(line)));
    const narrower = size.columns < columns;
    const up = above.reduce(
      (sum, width) => sum + (narrower ? Math.ceil(width / size.columns) : 1),
      0,
    );
    return `\r${up > 0 ? `\x1b[${up}A` : ''}\x1b[J`;
  };

  return {
    enter: '\x1b[?7l\x1b[?2004h',
    leave: () => {
      const down = known ? live.length - 1 - row : 0;
      known = false;
      return `${down > 0 ? `\x1b[${down}B` : ''}\r\n\x1b[0m\x1b[?2004l\x1b[?7h`;
    },
    forget: () => {
      live = live.map(() => []);
    },
    render: (size) => {
      const printed = [
        ...news(size),
        ...app.takePanel().map((text): Line => [{ text: fit(presentable(text), size.columns) }]),
      ];
      const next = bottom(size);
      const same = known && printed.length === 0 && size.columns === columns;
      if (same && paintAll(next.lines, paint) === paintAll(live, paint)) {
        if (row === next.row && column === next.column) return '';
      }
      const text = [...printed, ...next.lines].map(paint).join('\r\n');
      const up = next.lines.length - 1 - next.row;
      const place = `${up > 0 ? `\x1b[${up}A` : ''}\x1b[${next.column + 1}G`;
      const bytes = `\x1b[?25l${erase(size)}${text}${place}\x1b[?25h`;
      live = next.lines;
      row = next.row;
      column = next.column;
      columns = size.columns;
      known = true;
      return bytes;
    },
  };
}

const paintAll = (lines: readonly Line[], paint: Paint) => lines.map(paint).join('\n');

function statusLine(app: App, chat: Chat, columns: number): Line {
  const { notice, connection, conversations, current } = app.scene();
  const here = conversations.find(({ id }) => id === current);
  if (notice) return fill([{ text: presentable(notice.text), style: notice.style }], columns);
  const trust = here ? trustOf(here) : '';
  const own = here ? chat.before(here.id, null, 1).entries.at(-1) : undefined;
  const { state, why } = connection;
  const by = here?.isStraight ? [transportTo(here, connection)] : [];
  const name = here ? nameOf(here.name) : 'nobody yet: /msg WHO';
  const parts = [name, trust, state, ...by];
  if (own?.state) parts.push(TICKS[own.state]);
  for (const each of conversations)
    if (each.id !== current && each.unread > 0)
      parts.push(`${each.urgent ? 'URGENT ' : ''}${nameOf(each.name)}: ${each.unread} unread`);
  if (why !== null) parts.push(presentable(why));
  const style: Span['style'] = here?.trust === 'changed' ? 'urgent' : 'dim';
  return fill([{ text: parts.filter(Boolean).join(' · '), style }], columns);
}
