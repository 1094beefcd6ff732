// The relay's side of Flexim without sockets and over Maps: the test says when the disk is done, when it
// is full, and when a client takes what was written.

import { decode } from '@msgpack/msgpack';
import { newIdentity } from '../../../src/crypto/identity.ts';
import { senderTags } from '../../../src/crypto/tags.ts';
import { silent } from '../../../src/lib/log.ts';
import { systemClock } from '../../../src/lib/time.ts';
import { Flexim } from '../../../src/protocols/flexim/server.ts';
import { DEFAULT_LIMITS, type Limits } from '../../../src/relay/limits.ts';
import { createRelay, type Relay } from '../../../src/relay/relay.ts';
import { FakeChannel, turn } from '../../channel.ts';
import {
  authResponse,
  command,
  type Frame,
  HELLO,
  type Keys,
  newKeys,
  opened,
  statusOf,
  TYPE,
} from '../../peer.ts';
import { type MapStore, mapStore } from '../../relay/map-store.ts';

export interface PaperHouse {
  readonly relay: Relay;
  readonly store: MapStore;
  readonly broken: Error[];
  member(keys?: Keys, options?: { readonly acks: boolean }): Promise<PaperPeer>;
}

export interface PaperPeer {
  readonly channel: FakeChannel;
  readonly keys: Keys;
  readonly hex: string;
  /** Sends frames, and lets some turns pass. */
  say(...frames: readonly Uint8Array[]): Promise<void>;
  /** Takes all that is written up to now, as frames. */
  take(): Promise<Frame[]>;
  /** The same, as short words: Messages by their text, Statuses by code and first words. */
  hear(): Promise<string[]>;
}

const TURNS = 8; // more than a commit over Maps takes

export async function turns(count = TURNS): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

export function paperHouse(limits: Partial<Limits> = {}, durable = false): PaperHouse {
  const store = mapStore();
  const broken: Error[] = [];
  const identity = newIdentity();
  const relay = createRelay({
    name: 'paper',
    roster: 'none',
    store,
    limits: { ...DEFAULT_LIMITS, ...limits },
    clock: systemClock,
    log: silent,
    durable,
    tagOf: senderTags(identity),
    broken: (error) => broken.push(error),
  });
  const house = new Flexim(relay, identity);
  const member = async (keys = newKeys(), { acks = false } = {}): Promise<PaperPeer> => {
    const channel = new FakeChannel();
    house.accept(channel);
    channel.feed(HELLO);
    const said = async () => {
      while (channel.writes.length === 0) await turn();
      return framesOf(channel);
    };
    await said();
    if (acks) {
      channel.feed(command('ACKS', 'on'));
      await said();
    }
    channel.feed(command('AUTH', keys.hex));
    const [auth] = await said();
    const { challenge } = decode(auth?.body ?? []) as { challenge: Uint8Array };
    channel.feed(
      authResponse(decode(opened(challenge, keys)), identity.exchange.publicKey, undefined),
    );
    while (relay.queue.of(keys.hex).reader === null) await turn();
    await turns();
    const take = async () => {
      await turns();
      const frames: Frame[] = [];
      for (let more = framesOf(channel); more.length > 0; more = framesOf(channel)) {
        frames.push(...more);
        await turns();
      }
      return frames;
    };
    return {
      channel,
      keys,
      hex: keys.hex,
      say: async (...frames) => {
        channel.feed(...frames);
        await turns();
      },
      take,
      hear: async () => (await take()).map(wordsOf),
    };
  };
  return { relay, store, broken, member };
}

/** The frames of one write. */
function framesOf(channel: FakeChannel): Frame[] {
  const bytes = channel.take() ?? Buffer.alloc(0);
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 3 + bytes.readUInt16BE(at + 1);
    const cut = bytes.subarray(at, end);
    frames.push({ type: cut[0] as number, body: cut.subarray(3), bytes: cut });
    at = end;
  }
  return frames;
}

function wordsOf(frame: Frame): string {
  if (frame.type === TYPE.User) return 'User';
  if (frame.type === TYPE.Message) return String((decode(frame.body) as { msg: unknown }).msg);
  const { status, payload } = statusOf(frame);
  const [first = '', second = '', third = ''] = payload.split(' ');
  const isEvent = status === 20 || status === -20 || status === -21;
  return [status, ...(isEvent ? [second, third] : [first])].filter((word) => word !== '').join(' ');
}
