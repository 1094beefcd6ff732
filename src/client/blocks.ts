// Older lines of the history, joined: docs/protocols/fe1.md §11.4. What goes in comes out the same, byte for
// byte. A text stands once, and a line that nobody asks for is not made.
//
//   block  [lines, texts bin]     texts: the bodies that are text, in UTF-8, a line feed behind each
//   line   [order, id bin 16, out, at, state, size, date, flags]     size: of its text, in bytes
//          [order, id bin 16, out, at, state, size | nil, content bin]   for every other content; nil: no text

import { encodeContent, ID_BYTES, type MessageContent } from '../fe1/content.ts';
import { concat, fromHex, sameBytes, toHex, utf8, view } from '../lib/bytes.ts';
import { decode, encode, malformed } from '../wire/msgpack.ts';
import { bin, integer, list, text } from '../wire/shape.ts';
import { contentOf } from './lines.ts';
import { type Line, STATES } from './records.ts';
import type { Places } from './vault.ts';

/** Lines of one block hold so much content at most, unless it is a single one. */
const MAX_BYTES = 128 * 1_024;
const LINE_FEED = Uint8Array.of(10);

/** How the texts of a search and of the history are compared: whatever their case and form. */
export function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}

/** Whether a body has a text in it that is folded already. */
export function hasText(body: unknown, folded: string): boolean {
  return typeof body === 'string' && fold(body).includes(folded);
}

/** So many of these lines, from the first on, as belong into one block. */
export function cut(lines: readonly Line[], most: number): readonly Line[] {
  let bytes = 0;
  let count = 0;
  for (const { content } of lines.slice(0, most)) {
    bytes += content.length;
    if (count > 0 && bytes > MAX_BYTES) break;
    count++;
  }
  return lines.slice(0, count);
}

export interface Written {
  readonly block: Uint8Array;
  /** Its texts, folded: what a search reads. */
  readonly folded: Uint8Array;
}

/** Lines of one person in their order. */
export function encodeBlock(lines: readonly Line[]): Written {
  const texts: Uint8Array[] = [];
  const folded: Uint8Array[] = [];
  const rows = lines.map((line) => {
    const { order, id, out, at, state, content } = line;
    const message = contentOf(line);
    const body = typeof message.msg === 'string' ? utf8(message.msg) : null;
    if (body) texts.push(body, LINE_FEED);
    if (body) folded.push(utf8(fold(message.msg as string)), LINE_FEED);
    const head = [
      order,
      fromHex(id, ID_BYTES),
      out,
      at,
      STATES.indexOf(state),
      body?.length ?? null,
    ];
    const isUsual = body !== null && sameBytes(contentBytes(message), content);
    return isUsual ? [...head, message.date, message.flags] : [...head, content];
  });
  return { block: encode([rows, concat(...texts)]).slice(), folded: concat(...folded) };
}

function contentBytes(message: MessageContent): Uint8Array {
  return encodeContent({ kind: 'message', message }).content;
}

interface Entry {
  readonly order: number;
  readonly id: Uint8Array;
  readonly out: boolean;
  readonly at: number;
  readonly state: number;
  readonly text: Uint8Array | null;
  readonly content: Uint8Array | null; // null: made of text, date and flags
  readonly date: number;
  readonly flags: readonly string[];
}

const whole = integer(0);
const id = bin(ID_BYTES);
const content = bin();
const flags = list(text());

export class Block {
  readonly #peer: string;
  readonly #entries: readonly Entry[];

  /** Throws `malformed`. */
  constructor(peer: string, bytes: Uint8Array) {
    this.#peer = peer;
    const value = decode(bytes);
    if (!Array.isArray(value) || value.length !== 2) throw malformed('a block is a pair');
    const texts = content(value[1], 'texts');
    let at = 0;
    const next = (size: number | null) => {
      if (size === null) return null;
      const found = texts.subarray(at, at + size);
      at += size + 1;
      if (at > texts.length) throw malformed('a text is missing');
      return found;
    };
    this.#entries = list((row) => entry(row, next))(value[0], 'lines');
    if (this.#entries.length === 0) throw malformed('an empty block');
  }

  get first(): number {
    return (this.#entries[0] as Entry).order;
  }

  get last(): number {
    return (this.#entries.at(-1) as Entry).order;
  }

  get(order: number): Line | undefined {
    const found = this.#entries.find((each) => each.order === order);
    return found && this.#line(found);
  }

  /** Made one by one, as they are asked for. */
  *lines(which: Places = {}, wanted: string | null = null): Generator<Line> {
    const { from = 0, before = Number.POSITIVE_INFINITY, backwards = false } = which;
    for (const each of backwards ? this.#entries.toReversed() : this.#entries) {
      if (each.order < from || each.order >= before) continue;
      const text = wanted === null || !each.text ? null : view(each.text).toString();
      if (wanted === null || hasText(text, wanted)) yield this.#line(each);
    }
  }

  #line(entry: Entry): Line {
    const { order, out, at, date, flags } = entry;
    const text = entry.text === null ? '' : view(entry.text).toString();
    const message = { id: entry.id, date, flags, msg: text };
    return {
      ...{ peer: this.#peer, order, id: toHex(entry.id), out, at },
      state: STATES[entry.state] as Line['state'],
      content: entry.content ?? contentBytes(message),
    };
  }
}

function entry(row: unknown, next: (size: number | null) => Uint8Array | null): Entry {
  if (!Array.isArray(row) || row.length < 7) throw malformed('a line of a block');
  const isUsual = row.length > 7;
  if (typeof row[2] !== 'boolean') throw malformed('which way a line goes');
  return {
    order: whole(row[0], 'order'),
    id: id(row[1], 'id'),
    out: row[2],
    at: whole(row[3], 'at'),
    state: integer(0, STATES.length - 1)(row[4], 'state'),
    text: next(row[5] === null ? null : whole(row[5], 'size')),
    content: isUsual ? null : content(row[6], 'content'),
    date: isUsual ? integer()(row[6], 'date') : 0,
    flags: isUsual ? flags(row[7], 'flags') : [],
  };
}
