// The full screen as lines: header, conversations, timeline, status, input. A function of what there is and
// of the size; it knows no terminal.

import { presentable } from '../../lib/text.ts';
import { type Line, nameOf } from './entries.ts';
import { widthOf } from './graphemes.ts';
import { type Input, layInput, wrap } from './lay.ts';
import type { Connection, Conversation } from './model.ts';
import { fill, fit, type Paint, type Span, type Style, spansWidth } from './paint.ts';
import { transportTo } from './standing.ts';

export const MIN_COLUMNS = 20;
export const MIN_ROWS = 5;
const WITH_LIST = 60;
const MAX_LIST = 24;
const WITH_BANNER = 7;
const PROMPT = 2;
const PICTURE = /^[ \u2580\u2584\u2588]+$/; // half blocks

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Notice {
  readonly text: string;
  readonly style: Style;
}

/** What is to be seen, beside the timeline. */
export interface Scene {
  readonly conversations: readonly Conversation[];
  readonly current: string | null;
  readonly connection: Connection;
  readonly input: { readonly text: string; readonly cursor: number };
  readonly notice: Notice | null;
  /** Lines that stand over the timeline until a key is pressed: help, status, a safety number. */
  readonly panel: readonly string[] | null;
  readonly following: boolean;
}

export interface Frame {
  readonly lines: readonly string[];
  readonly row: number; // of the cursor
  readonly column: number;
}

/** How the screen is divided; the timeline is laid out for `columns` and `height` of this. */
export interface Plan {
  readonly list: number; // columns of the conversations with their border; 0: not shown
  readonly columns: number;
  readonly height: number;
  readonly banner: boolean;
  readonly input: Input;
}

export function isTooSmall({ columns, rows }: Size): boolean {
  return columns < MIN_COLUMNS || rows < MIN_ROWS;
}

export function plan(scene: Scene, { columns, rows }: Size): Plan {
  const most = Math.max(1, Math.floor(rows / 3));
  const input = layInput(scene.input, columns - PROMPT, most);
  const banner = rows >= WITH_BANNER && currentOf(scene)?.trust === 'changed';
  const list = columns >= WITH_LIST ? Math.min(MAX_LIST, Math.floor(columns / 4)) : 0;
  const height = rows - 2 - input.lines.length - (banner ? 1 : 0);
  return { list, columns: columns - list, height, banner, input };
}

export function view(
  scene: Scene,
  timeline: (height: number, columns: number) => readonly Line[],
  { size, paint }: { readonly size: Size; readonly paint: Paint },
): Frame {
  if (isTooSmall(size)) return tooSmall(size);
  const made = plan(scene, size);
  const { height, columns, input } = made;
  const below = scene.panel ? panelLines(scene.panel, height, columns) : timeline(height, columns);
  const body = [...Array<Line>(Math.max(0, height - below.length)).fill([]), ...below];
  const list = made.list > 0 ? listLines(scene, made.list, height) : null;
  const lines = [
    paint(header(scene, size.columns)),
    ...body.map((line, i) => {
      const right = paint(line);
      // The column is said anew: a name that this terminal shows wider moves nothing.
      return list ? `${paint(list[i] ?? [])}\x1b[${made.list + 1}G${right}` : right;
    }),
    ...(made.banner ? [paint(banner(scene, size.columns))] : []),
    paint(status(scene, size.columns)),
    ...input.lines.map((text, i) =>
      paint([{ text: i === 0 ? '> ' : '  ', style: 'dim' }, { text }]),
    ),
  ];
  const row = lines.length - input.lines.length + input.row;
  return { lines, row, column: Math.min(PROMPT + input.column, size.columns - 1) };
}

export function currentOf(scene: Pick<Scene, 'conversations' | 'current'>): Conversation | null {
  return scene.conversations.find(({ id }) => id === scene.current) ?? null;
}

function tooSmall({ columns, rows }: Size): Frame {
  const words = fit(`too small: ${MIN_COLUMNS}x${MIN_ROWS} needed`, columns);
  return {
    lines: Array.from({ length: rows }, (_, i) => (i === 0 ? words : '')),
    row: 0,
    column: 0,
  };
}

const TRUST = {
  unverified: 'not verified',
  verified: 'verified',
  changed: 'KEY CHANGED',
} as const;
const REQUEST = 'wrote first, not verified';
const MARKS = { online: '●', connecting: '◌', offline: '○' } as const;

function header(scene: Scene, columns: number): Line {
  const current = currentOf(scene);
  const style = current?.trust === 'changed' ? 'urgent' : 'bar';
  const { state } = scene.connection;
  const transport = transportTo(current ?? null, scene.connection);
  const left = current ? leftOf(current, scene, columns) : ' flexim';
  const long = `${state} · ${presentable(transport, { max: 60 })}`;
  const right = [long, state, MARKS[state]].find(
    (each) => spansWidth([{ text: left }, { text: each }]) + 3 <= columns,
  );
  const shown = right ?? MARKS[state];
  const room = columns - spansWidth([{ text: shown }]) - 2;
  const [before] = fill([{ text: fit(left, room) }], room).map(({ text }) => text);
  const padding = ' '.repeat(Math.max(0, room - spansWidth([{ text: before ?? '' }])));
  return [{ text: `${before ?? ''}${padding} ${shown} `, style }];
}

/** How sure one can be that it is this person. */
export function trustOf({ isRequest, trust }: Conversation): string {
  return isRequest && trust === 'unverified' ? REQUEST : TRUST[trust];
}

function leftOf(current: Conversation, scene: Scene, columns: number): string {
  const parts = [` ${nameOf(current.name)}`, trustOf(current)];
  if (current.presence) parts.push(current.presence);
  const others = scene.conversations.filter((each) => each.id !== current.id && each.unread > 0);
  const unread = others.reduce((sum, each) => sum + each.unread, 0);
  if (columns < WITH_LIST && unread > 0) parts.push(`${unread} unread elsewhere`);
  return parts.join(' · ');
}

function banner(scene: Scene, columns: number): Line {
  const name = nameOf(currentOf(scene)?.name ?? '');
  const text = ` The key of ${name} changed: nothing is sent. Compare with /verify, accept with /trust `;
  return fill([{ text, style: 'urgent' }], columns);
}

function status(scene: Scene, columns: number): Line {
  const { text, style } = scene.notice ?? idleStatus(scene);
  return fill([{ text: ` ${presentable(text)}`, style }], columns);
}

function idleStatus(scene: Scene): Notice {
  const current = currentOf(scene);
  if (current?.trust === 'changed')
    return { text: 'key changed, nothing is sent: /verify, /trust', style: 'warn' };
  if (!scene.following) return { text: 'more below: PgDn', style: 'dim' };
  const { state, why } = scene.connection;
  if (state !== 'online')
    return {
      text: `${state}: ${why ?? 'messages wait until there is a connection'}`,
      style: 'warn',
    };
  if (current?.presence === 'typing')
    return { text: `${nameOf(current.name)} is typing`, style: 'dim' };
  return { text: current ? '/help' : 'nobody yet: /msg WHO', style: 'dim' };
}

// Words are wrapped; a picture (a QR code) is shown whole or not at all.
function panelLines(panel: readonly string[], height: number, columns: number): Line[] {
  const words = panel.filter((text) => !PICTURE.test(text));
  const picture = panel.filter((text) => PICTURE.test(text));
  const lines = words.flatMap((text) => wrap(presentable(text), columns));
  const width = Math.max(0, ...picture.map(widthOf));
  const fits =
    picture.length === 0 || (width <= columns && lines.length + picture.length + 1 <= height);
  if (fits) lines.push(...picture);
  else
    lines.push(
      ...wrap(`(the QR code needs ${width} columns and ${picture.length} lines)`, columns),
    );
  const end: Line = [{ text: fit('(any key goes back)', columns), style: 'dim' }];
  const shown = lines.slice(0, Math.max(0, height - 1)).map((text): Line => [{ text }]);
  return [...shown, end];
}

function listLines(scene: Scene, columns: number, height: number): Line[] {
  const all = scene.conversations;
  const at = Math.max(
    0,
    all.findIndex(({ id }) => id === scene.current),
  );
  const top = Math.max(0, Math.min(at - Math.floor(height / 2), all.length - height));
  return Array.from({ length: height }, (_, i) => {
    const each = all[top + i];
    const border: Span = { text: '│ ', style: 'dim' };
    if (!each) return [...fill([], columns - 2), border];
    return [
      ...listItem(each, top + i, { columns: columns - 2, selected: each.id === scene.current }),
      border,
    ];
  });
}

function listItem(
  { name, unread, urgent, trust, isRequest }: Conversation,
  index: number,
  { columns, selected }: { readonly columns: number; readonly selected: boolean },
): Line {
  const style = selected ? 'selected' : urgent ? 'urgent' : unread > 0 ? 'bold' : undefined;
  const count = unread > 999 ? '999+' : unread > 0 ? String(unread) : '';
  const doubt = trust === 'changed' ? '?' : isRequest ? '+' : '';
  const end = ` ${urgent ? '!' : ''}${doubt}${count}`;
  const number = index < 9 ? `${index + 1} ` : '  ';
  const room = columns - number.length - end.length;
  const shown = fit(nameOf(name), room);
  const padding = ' '.repeat(Math.max(0, room - spansWidth([{ text: shown }])));
  const text = `${number}${shown}${padding}${end}`;
  return [style === undefined ? { text } : { text, style }];
}
