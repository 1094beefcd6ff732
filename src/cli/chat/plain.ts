// --plain: lines in, lines out, in words, nothing ever rewritten: for screen readers, pipes and terminals
// that can do nothing. Each line that is read is a message or a command.

import { FleximError, systemCode } from '../../lib/errors.ts';
import { presentable } from '../../lib/text.ts';
import { MAX_INPUT } from './editor.ts';
import { clock, nameOf, stamp } from './entries.ts';
import { type End, ending } from './guard.ts';
import type { Change, Chat, Entry } from './model.ts';
import { Session } from './session.ts';
import { transportTo } from './standing.ts';
import { trustOf } from './view.ts';

const FIRST = 20;
const MAX_LINE = 4 * MAX_INPUT; // bytes
const CONTROL = /(?!\t)\p{Cc}/u;

export interface PlainStreams {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

export async function plain(
  { input, output }: PlainStreams,
  chat: Chat,
  start: (session: Session) => void,
): Promise<End> {
  const { ended, end } = ending();
  let failure: { readonly error: unknown } | null = null;
  let owed: string | null = null; // the conversation whose unread entries are being read
  let refusals = 0;
  const held = new Set<string>(); // what came of it meanwhile
  const print = (text: string, lines = false) => {
    output.write(`${presentable(text, { lines }).replaceAll('\n', '\n  ')}\n`);
  };
  const refuse = (why: string) => {
    refusals++;
    print(why);
  };
  const session = new Session(chat, {
    draws: false,
    say: (text) => print(text),
    show: (lines) => {
      for (const line of lines) print(line);
    },
    refused: (_, why) => refuse(why),
    went: () => introduce(),
    found: ({ entry, nth, of }) => {
      const name = session.current?.name ?? '';
      print(`Found ${nth} of ${of}: ${wordsOf(entry, name)}`, true);
    },
    clear: () => {},
    quit: () => end('quit'),
  });
  const introduce = () => {
    const { current } = session;
    if (!current) return;
    const { state } = chat.connection();
    const transport = transportTo(current, chat.connection());
    print(
      `Conversation with ${nameOf(current.name)}, ${trustOf(current)}. ${state}, ${transport}. /help`,
    );
    owed = current.id;
    held.clear();
    catchUp();
  };
  /** What was unread, once it is there. */
  const catchUp = () => {
    const { current } = session;
    if (!current || current.id !== owed) return;
    const { entries, pending } = chat.before(current.id, null, FIRST);
    if (pending) return;
    owed = null;
    const isNew = ({ id }: Entry) => id === current.firstUnread || held.has(id);
    const from = current.unread > entries.length ? 0 : entries.findIndex(isNew);
    const unread = from < 0 ? [] : entries.slice(from);
    for (const entry of unread) print(wordsOf(entry, current.name), true);
    if (current.unread > unread.length)
      print(`${current.unread - unread.length} more before these`);
    const newest = entries.at(-1);
    if (newest) chat.seen(current.id, newest.id);
  };
  const report = reporter(chat, print);
  const stop = chat.onChange((change) => {
    if (change.kind === 'over') {
      failure = { error: change.error };
      return end('quit');
    }
    if (change.kind === 'loaded') return catchUp();
    if (change.kind === 'entry' && change.conversation === owed)
      return void (change.entry.from !== 'me' && held.add(change.entry.id));
    if (change.kind === 'connection' && chat.connection().state === 'online') session.beginAgain();
    report(change);
  });
  const reading = readLines(input, {
    line: (text) => session.enter(text),
    refused: refuse,
    end: () => session.idle().then(() => end('quit')),
  });
  const lost = (error: unknown) => {
    if (!['EPIPE', 'EIO'].includes(systemCode(error) ?? '')) throw error;
    end('gone');
  };
  output.on('error', lost);
  start(session);
  try {
    const how = await ended;
    if (failure) throw (failure as { readonly error: unknown }).error;
    if (refusals > 0 && !isTerminal(input)) throw notSent(refusals);
    return how;
  } finally {
    reading();
    stop();
    output.off('error', lost);
  }
}

export function wordsOf(entry: Entry, peer: string): string {
  const at =
    entry.written === null
      ? clock(entry.at)
      : `${clock(entry.at)} (written ${stamp(entry.written)})`;
  if (entry.from === 'system') return `${at}: ${entry.text}`;
  const name = entry.from === 'me' ? 'me' : nameOf(peer);
  const who = entry.notify ? `URGENT from ${name}` : name;
  return `${who}, ${at}: ${entry.action ? `* ${entry.text}` : entry.text}`;
}

/** Says what changes: what comes, and what becomes of what was sent. */
function reporter(chat: Chat, print: (text: string, lines?: boolean) => void) {
  let connection = chat.connection().state;
  let straight = new Set<string>();
  return (change: Change): void => {
    if (change.kind === 'notice') return print(change.text);
    if (change.kind === 'conversations') {
      const now = chat.conversations().filter(({ isStraight }) => isStraight);
      for (const each of now)
        if (!straight.has(each.id))
          print(`to ${nameOf(each.name)}: ${transportTo(each, chat.connection())}`);
      for (const each of chat.conversations())
        if (!each.isStraight && straight.has(each.id))
          print(`to ${nameOf(each.name)}: ${transportTo(each, chat.connection())}`);
      straight = new Set(now.map(({ id }) => id));
      return;
    }
    if (!('entry' in change)) {
      const { state, why } = chat.connection();
      if (state !== connection) print(why === null ? state : `${state}: ${why}`);
      connection = state;
      return;
    }
    const { entry } = change;
    const name = chat.conversations().find(({ id }) => id === change.conversation)?.name ?? '';
    if (change.kind === 'entry') {
      if (entry.from === 'me') return; // he has just typed it
      print(wordsOf(entry, name), true);
      chat.seen(change.conversation, entry.id);
    } else if (entry.state === 'failed') print(`NOT SENT to ${nameOf(name)}: ${entry.text}`, true);
    else if (entry.state === 'delivered' || entry.state === 'read')
      print(`${entry.state} to ${nameOf(name)}: ${presentable(entry.text, { max: 40 })}`);
  };
}

/** Cuts lines; gives the function that stops it. */
function readLines(
  input: NodeJS.ReadableStream,
  on: { line(text: string): void; refused(why: string): void; end(): void },
): () => void {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let parts: Buffer[] = [];
  let length = 0;
  const take = () => {
    const raw = Buffer.concat(parts);
    const tooLong = length > MAX_LINE;
    parts = [];
    length = 0;
    if (tooLong) return on.refused(`not sent: a line has at most ${MAX_LINE} bytes`);
    const text = decode(decoder, raw);
    if (text === null) on.refused('not sent: that line is no text in UTF-8');
    else on.line(text);
  };
  const keep = (piece: Buffer) => {
    length += piece.length;
    if (length <= MAX_LINE) parts.push(piece);
  };
  const data = (chunk: Buffer) => {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      keep(chunk.subarray(from, at));
      take();
      from = at + 1;
    }
    if (from < chunk.length) keep(chunk.subarray(from));
  };
  const end = () => {
    if (length > 0) take();
    on.end();
  };
  input.on('data', data);
  input.on('end', end);
  return () => {
    input.off('data', data);
    input.off('end', end);
    input.pause();
  };
}

function decode(decoder: { decode(raw: Uint8Array): string }, raw: Buffer): string | null {
  try {
    const text = decoder.decode(raw).replace(/\r$/, '');
    return CONTROL.test(text) ? null : text;
  } catch {
    return null;
  }
}

const isTerminal = (input: NodeJS.ReadableStream) => 'isTTY' in input && input.isTTY === true;

/** A person has read why; a script has its exit code. */
function notSent(count: number): FleximError {
  const what = count === 1 ? 'one line was' : `${count} lines were`;
  return new FleximError('bad-input', `${what} not sent; why stands above`);
}
