// flexim enclave friends, add, remove, block, plain: the address book, as a file. A node that runs sees the
// change within seconds.

import { join } from 'node:path';
import { parseKey } from '../../lib/address.ts';
import { FleximError } from '../../lib/errors.ts';
import { printable } from '../../lib/text.ts';
import { type Book, BookFile, type Friend, readPlace } from '../../protocols/enclave/index.ts';
import { BOOK } from '../agent/enclave.ts';
import { findProfile } from '../agent/profile.ts';
import type { Common, Context, OFF } from '../command.ts';
import { friendJson, friendText } from '../enclave/words.ts';
import { write, writeJson } from '../output.ts';
import { tell } from '../profile.ts';

export async function friends({ settings }: Context): Promise<void> {
  const file = await open(settings);
  const { friends: all } = file.book;
  for (const friend of all) await show(friend, settings);
  if (all.length === 0) tell('nobody yet. flexim enclave add NAME HOST[:PORT] [KEY]');
}

export async function add({ settings, args }: Context): Promise<void> {
  const { name = '', place = '', key: text } = args;
  const at = readPlace(place);
  if (typeof at === 'string') throw new FleximError('bad-address', at);
  const key = text === undefined ? null : parseKey(text);
  if (text !== undefined && key === null)
    throw new FleximError('bad-input', 'a key is 64 hex digits: flexim whoami shows it there');
  const friend = { name, ...at, key, isPlain: false, isBlocked: false };
  await change(settings, name, (book) => book.add(friend));
}

export async function remove({ settings, args }: Context): Promise<void> {
  const { name = '' } = args;
  const file = await open(settings);
  file.update((book) => book.remove(name));
  tell(`${printable(name, 40)} is out of the address book`);
}

export async function block({ settings, args }: Context<typeof OFF>): Promise<void> {
  const { name = '' } = args;
  await change(settings, name, (book) => book.change(name, { isBlocked: !settings.off }));
}

export async function plain({ settings, args }: Context<typeof OFF>): Promise<void> {
  const { name = '' } = args;
  const isPlain = !settings.off;
  await change(settings, name, (book) => {
    if (isPlain && book.named(name)?.key)
      throw new FleximError(
        'not-encrypted',
        `${printable(name, 40)} has a key: nothing is sent to him without encryption any more`,
      );
    return book.change(name, { isPlain });
  });
  if (isPlain) tell('what you write to him can be read by anybody on the way, from now on');
}

async function open(settings: Common): Promise<BookFile> {
  const { directory } = await findProfile(settings);
  const file = new BookFile(join(directory, BOOK));
  file.refresh();
  for (const { message } of file.troubles) tell(message);
  return file;
}

async function change(settings: Common, name: string, work: (book: Book) => Book): Promise<void> {
  const file = await open(settings);
  await show(file.update(work).named(name) as Friend, settings);
}

async function show(friend: Friend, settings: Common): Promise<void> {
  if (settings.json) await writeJson(friendJson(friend));
  else await write(friendText(friend));
}
