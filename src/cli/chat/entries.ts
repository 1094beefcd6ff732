// Entries of the timeline to lines: time, who, text, ticks, rules between days. One that was laid out is
// remembered as long as it is the same.

import { presentable } from '../../lib/text.ts';
import { widthOf } from './graphemes.ts';
import { wrap } from './lay.ts';
import type { Entry, State } from './model.ts';
import { fill, fit, type Span, type Style, spansWidth } from './paint.ts';

export type Line = readonly Span[];

export const TICKS: Readonly<Record<State, string>> = {
  queued: '·',
  accepted: '✓',
  delivered: '✓✓',
  read: '✓✓ read',
  failed: '✗ not sent',
};
const TICK_STYLES: Readonly<Record<State, Style>> = {
  queued: 'dim',
  accepted: 'dim',
  delivered: 'dim',
  read: 'good',
  failed: 'urgent',
};
const TIME_WIDTH = 6;
const ROOMY = 30;
const MAX_KEPT = 1_000;
const MAX_TEXT = 16_384; // UTF-16 units that the screen shows of one message
const MAX_NAME = 32;
const MONTHS =
  'January February March April May June July August September October November December'.split(
    ' ',
  );
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

export interface Look {
  readonly columns: number;
  readonly peer: string; // the name
  readonly unreadFrom: string | null; // the entry above which the unread rule stands
  readonly hit: string | null; // the entry that a search is at
}

export function nameOf(name: string): string {
  const shown = presentable(name, { max: MAX_NAME }).trim();
  return shown === '' ? '?' : shown;
}

export function clock(at: number): string {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, '0');
  return Number.isNaN(date.getTime())
    ? '--:--'
    : `${two(date.getHours())}:${two(date.getMinutes())}`;
}

export function day(at: number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return 'an impossible day';
  const month = MONTHS[date.getMonth()];
  return `${DAYS[date.getDay()]} ${date.getDate()} ${month} ${date.getFullYear()}`;
}

/** Day and time in one word or two. */
export function stamp(at: number): string {
  const date = new Date(at);
  const month = MONTHS[date.getMonth()]?.slice(0, 3);
  return month ? `${date.getDate()} ${month} ${clock(at)}` : 'at an impossible time';
}

/** Lays out entries of one conversation, each once. */
export class Blocks {
  readonly #kept = new Map<string, { entry: Entry; key: string; lines: readonly Line[] }>();

  forget(): void {
    this.#kept.clear();
  }

  of(entry: Entry, previous: Entry | null, look: Look): readonly Line[] {
    const newDay = previous === null || day(previous.at) !== day(entry.at);
    const unread = entry.id === look.unreadFrom;
    const hit = entry.id === look.hit;
    const key = `${look.columns} ${newDay} ${unread} ${hit} ${look.peer}`;
    const kept = this.#kept.get(entry.id);
    if (kept && kept.key === key && same(kept.entry, entry)) return kept.lines;
    const lines = [
      ...(newDay ? [rule(day(entry.at), look.columns, 'dim')] : []),
      ...(unread ? [rule('new', look.columns, 'warn')] : []),
      ...layEntry(entry, look),
    ];
    if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
    this.#kept.set(entry.id, { entry, key, lines });
    return lines;
  }
}

function same(a: Entry, b: Entry): boolean {
  return (
    a === b ||
    (a.text === b.text &&
      a.state === b.state &&
      a.at === b.at &&
      a.written === b.written &&
      a.from === b.from &&
      a.notify === b.notify &&
      a.action === b.action)
  );
}

export function rule(title: string, columns: number, style: Style): Line {
  const room = columns - title.length - 2;
  if (room < 2) return [{ text: title.slice(0, columns), style }];
  const left = Math.floor(room / 2);
  return [{ text: `${'─'.repeat(left)} ${title} ${'─'.repeat(room - left)}`, style }];
}

// The first columns are ours: the text of others begins behind the time and who said it, and goes on
// indented, so that it cannot pass for an entry of its own.
export function layEntry(entry: Entry, look: Look): Line[] {
  const { columns } = look;
  const head = headOf(entry, look.peer);
  const indent = columns >= ROOMY ? TIME_WIDTH : 2;
  const room = columns - indent;
  const width = spansWidth(head);
  const apart = width > columns - 4; // the screen is narrow, or the name is long
  const body = bodyOf(entry.text);
  const rows = wrap(body, room, apart ? 0 : width - indent);
  const style = styleOf(entry, entry.id === look.hit);
  const lines: Span[][] = rows.map((text, i) => [
    ...(i > 0 || apart ? [{ text: ' '.repeat(indent) }] : head),
    style === undefined ? { text } : { text, style },
  ]);
  if (apart) lines.unshift(fill(head, columns));
  return entry.state ? withTicks(lines, entry.state, columns, indent) : lines;
}

function bodyOf(text: string): string {
  const body = presentable(text, { lines: true, max: MAX_TEXT });
  if (text.length <= MAX_TEXT) return body;
  return `${body}\n(cut here, it has ${text.length} characters)`;
}

function headOf(entry: Entry, peer: string): Span[] {
  const time: Span = { text: `${clock(entry.at)} `, style: 'dim' };
  if (entry.from === 'system') return [time, { text: '— ', style: 'dim' }];
  const urgent: Span[] = entry.notify ? [{ text: 'URGENT', style: 'urgent' }, { text: ' ' }] : [];
  const mine = entry.from === 'me';
  const style = mine ? 'me' : 'peer';
  const late: Span[] =
    entry.written === null ? [] : [{ text: `(${stamp(entry.written)}) `, style: 'dim' }];
  // No alias has a > or a colon: nobody can be called so that his words look like ours.
  const name = entry.action ? `* ${mine ? 'me' : peer} ` : mine ? 'me> ' : `${peer}: `;
  return [time, ...late, ...urgent, { text: name, style }];
}

function styleOf(entry: Entry, hit: boolean): Style | undefined {
  if (hit) return 'hit';
  if (entry.from === 'system') return 'dim';
  if (entry.notify && entry.from === 'peer') return 'warn';
  return entry.action ? 'bold' : undefined;
}

function withTicks(lines: Span[][], state: State, columns: number, indent: number): Line[] {
  const ticks: Span = { text: fit(TICKS[state], columns - indent), style: TICK_STYLES[state] };
  const last = lines.at(-1);
  if (last && spansWidth(last) + 1 + widthOf(ticks.text) <= columns)
    last.push({ text: ' ' }, ticks);
  else lines.push([{ text: ' '.repeat(indent) }, ticks]);
  return lines;
}
