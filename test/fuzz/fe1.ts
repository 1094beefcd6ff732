// What the FE1 targets share: a device with sessions to several people, and envelopes of all kinds that
// it might hear next. None of its sessions may be touched, whatever is heard.

import { encodeContent, parseContent } from '../../src/fe1/content.ts';
import {
  checkOneTimePrekey,
  checkSignedPrekey,
  type SignedPrekey,
  seenBundle,
} from '../../src/fe1/prekeys.ts';
import type { Session } from '../../src/fe1/ratchet.ts';
import { safetyText } from '../../src/fe1/safety.ts';
import { type Receiver, receive } from '../../src/fe1/sessions.ts';
import { decodeSession, encodeSession } from '../../src/fe1/state.ts';
import { concat, sameBytes, toHex, u32, utf8 } from '../../src/lib/bytes.ts';
import { hear, invite, NOW, person, receiver, type Side, say, session, side } from '../fe1/pair.ts';

const device = person('fuzz device');
const others = ['ann', 'bob', 'cay'].map((name) => person(name));
const X = device.identity.exchange.publicKey;

const id = new Uint8Array(16).fill(7);
const said = [
  encodeContent({ kind: 'noop' }),
  encodeContent({ kind: 'gen', gen: 3 }),
  encodeContent({ kind: 'receipt', ids: [id, id] }),
  encodeContent({ kind: 'read', ids: [id] }),
  encodeContent({ kind: 'sign', sign: 'here' }),
  encodeContent({ kind: 'message', message: { id, date: NOW, flags: ['x'], msg: 'hello' } }),
];
const talk = (from: Side, n: number) => {
  const { type, content } = said[n % said.length] as (typeof said)[number];
  return say(from, content, type);
};

/** Envelopes heard and not yet heard: late ones, the next ones, with and without KEM parts. */
const waiting: Uint8Array[] = [];
const sessions: Session[] = [];
const inits = new Map<string, Session | null>();

others.forEach((other, n) => {
  const them = side(other, invite(other, device, { otk: false, gen: n + 1 }));
  const mine = side(device);
  waiting.push(talk(them, 5)); // an INIT that is heard again, of a session that may be deleted
  hear(mine, waiting.at(-1) as Uint8Array);
  for (let i = 0; i < 3 + 4 * n; i++) {
    waiting.push(talk(them, i)); // overtaken by the next one
    hear(mine, talk(them, i));
    hear(them, talk(mine, i));
  }
  waiting.push(talk(them, n), talk(them, n + 1));
  sessions.push(session(mine));
  for (const iid of mine.inits) inits.set(iid, n === 2 ? null : session(mine));
});

/** INITs: fresh ones with and without a one-time key, and one of a session that is known. */
const known = side(others[0] as Side['person'], invite(others[0] as Side['person'], device));
const knownHere = side(device);
waiting.push(talk(known, 5));
hear(knownHere, waiting.at(-1) as Uint8Array);
for (const iid of knownHere.inits) inits.set(iid, session(knownHere));
sessions.push(session(knownHere));
waiting.push(talk(known, 4));
device.otks.set(device.otk.record.otkId, device.otk);
for (const otk of [true, false])
  waiting.push(talk(side(device, invite(others[1] as Side['person'], device, { otk, gen: 9 })), 5));

const receiving: Receiver = {
  ...receiver(side(device)),
  sessions,
  byInit: (iid) => inits.get(iid),
};
const written = () => concat(...sessions.map(encodeSession));
const before = written();

function open(bytes: Uint8Array): void {
  const { plaintext, session } = receive(bytes, receiving, NOW);
  encodeSession(session);
  parseContent(plaintext);
}

/** Opens and reads an envelope; throws what is no FleximError when anything was changed by that. */
export function receiveAny(bytes: Uint8Array): void {
  const given = Uint8Array.from(bytes);
  let failure: unknown = null;
  try {
    open(bytes);
  } catch (error) {
    failure = error;
  }
  if (!sameBytes(written(), before)) throw new Error('a session was changed', { cause: failure });
  if (!sameBytes(bytes, given)) throw new Error('the envelope was changed', { cause: failure });
  if (failure) throw failure;
}

export const envelopes: readonly Uint8Array[] = waiting;

export const records = [device.spr.record.bytes, (others[0] as Side['person']).spr.record.bytes];
const check = (seen: SignedPrekey | null) => ({ X, now: NOW, seen: seen && seenBundle(seen) });

export function signedPrekey(bytes: Uint8Array): void {
  checkSignedPrekey(bytes, check(null));
  checkSignedPrekey(bytes, check(device.spr.record));
}

export const oneTimeRecords = [device.otk.record.bytes];
export const oneTimePrekey = (bytes: Uint8Array) => checkOneTimePrekey(bytes, device.spr.record);

/** A content with its type in front. */
export const contents = said.map(({ type, content }) => concat(Uint8Array.of(type), content));
contents.push(concat(Uint8Array.of(2), u32(2 ** 31)), concat(Uint8Array.of(9), utf8('later')));
export const content = (bytes: Uint8Array) =>
  parseContent({ type: bytes[0] ?? 0, content: bytes.subarray(1) });

export const states = sessions.map(encodeSession);

/** What is taken for a session can be written and read again, and then is the same. */
export function state(bytes: Uint8Array): void {
  const once = encodeSession(decodeSession(bytes));
  if (!sameBytes(encodeSession(decodeSession(once)), once)) throw new Error('read differently');
}

export const peerX = (others[0] as Side['person']).identity.exchange.publicKey;
export const ownX = X;
export const scanned = [safetyText(peerX, ownX), safetyText(ownX, peerX), `FXSN1:${toHex(X)}`];
