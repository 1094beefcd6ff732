// What the way to the relay must not have shown: the words of any message, the names that people give each other, and
// in a Message who wrote it: it has the key of its reader and no other name.

import { DATUMS, FRAME_HEAD } from '../../src/protocols/flexim/wire.ts';
import { decode } from '../../src/wire/msgpack.ts';
import { search } from './leaks.ts';
import type { World } from './world.ts';

interface Message {
  readonly to: string;
  readonly from: string;
  readonly msg: Uint8Array | string;
}

/** In words, what was found; nothing is good. `captures` are other recordings of the same traffic. */
export function leaks(world: World, captures: readonly Buffer[] = []): string[] {
  const { tap, word, people } = world;
  const found: string[] = [];
  for (const bytes of [tap.bytes, ...captures])
    for (const { form, at } of search(bytes, word))
      found.push(`words of a message: ${form}, at ${at}`);
  for (const frame of tap.messages) {
    const { to, from } = decode(frame.subarray(FRAME_HEAD)) as Message;
    if (from) found.push(`a Message says that it is from '${from}'`);
    for (const { key, name } of people) {
      if (to.startsWith(key)) continue;
      const raw = Buffer.from(key, 'hex');
      const forms = [...search(frame, key), ...search(frame, name)].map((each) => each.form);
      if (frame.includes(raw)) forms.push('bytes');
      for (const form of [raw.toString('base64'), raw.toString('base64url')])
        if (frame.includes(form.slice(0, 42))) forms.push('base64 of the key');
      for (const form of forms) found.push(`a Message to another names ${name}: ${form}`);
    }
  }
  return [...new Set(found)];
}

/** The search found what must be there, so it looked at the real bytes. */
export function blindness(world: World, captures: readonly Buffer[] = []): string[] {
  const { tap, bob } = world;
  const blind: string[] = [];
  if (tap.messages.length === 0) blind.push('no Message went through the tap');
  if (!tap.messages.every((frame) => frame[0] === DATUMS.Message.tag))
    blind.push('frames are torn');
  for (const [i, bytes] of [tap.bytes, ...captures].entries())
    if (search(bytes, bob.key).length === 0)
      blind.push(`recording ${i} lacks the key it is sent to`);
  return blind;
}
