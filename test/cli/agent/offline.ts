// An agent over a real messenger that never gets a connection, and a guest's end of a channel to a host.

import type { Agent } from '../../../src/cli/agent/agent.ts';
import { LocalAgent } from '../../../src/cli/agent/local.ts';
import { decodeEvent } from '../../../src/cli/agent/values.ts';
import {
  frame,
  HOUSE,
  type HouseDatum,
  type HouseName,
  opened,
  unpack,
  VERBS_MARK,
} from '../../../src/cli/agent/wire.ts';
import { openMessenger } from '../../../src/client/messenger.ts';
import { newIdentity } from '../../../src/crypto/identity.ts';
import { randomBytes } from '../../../src/crypto/sodium.ts';
import { FleximError } from '../../../src/lib/errors.ts';
import { FakeChannel, turn } from '../../channel.ts';
import { MemoryStore } from '../../client/memory.ts';

export const BOB = newIdentity().hex;

/** `againMs`: how often it says that it is down. */
export async function offlineAgent({ againMs = 1_000_000 } = {}): Promise<Agent> {
  const identity = newIdentity();
  const messenger = await openMessenger({
    ...{ identity, storeKey: randomBytes(32), store: new MemoryStore(), tickMs: null },
    dial: () => Promise.reject(new FleximError('relay-unreachable', 'there is none')),
    again: { minMs: againMs, maxMs: againMs },
  });
  return new LocalAgent({ name: 'alice', key: identity.hex }, messenger, () => Promise.resolve());
}

/** A guest who takes what is written only when told to. */
export class Caller {
  readonly channel = new FakeChannel();
  readonly #key: string;

  constructor(key: string) {
    this.#key = key;
  }

  hello(some: Partial<HouseDatum<'hello'>> = {}): void {
    const hello = { house: HOUSE, verbs: VERBS_MARK, key: this.#key, relay: null };
    this.channel.feed(frame('hello', { ...hello, ...some }));
  }

  get isCut(): boolean {
    return this.channel.calls.includes('reset');
  }

  /** All frames that have been written; takes what still comes, until there is nothing for a while. */
  async take(): Promise<{ readonly name: HouseName; readonly body: Buffer }[]> {
    const pieces: Buffer[] = [];
    for (let idle = 0; idle < 50; idle++) {
      await turn();
      for (let piece = this.channel.take(); piece; piece = this.channel.take()) {
        pieces.push(piece);
        idle = 0;
      }
    }
    const bytes = Buffer.concat(pieces);
    const frames = [];
    for (let at = 0; at < bytes.length; ) {
      const end = at + 5 + bytes.readUInt32BE(at + 1);
      frames.push(opened(bytes, at, end));
      at = end;
    }
    return frames;
  }
}

export const eventsIn = (frames: readonly { name: HouseName; body: Buffer }[]) =>
  frames
    .filter(({ name }) => name === 'event')
    .map(({ body }) => decodeEvent(unpack('event', body).bytes.slice()));
