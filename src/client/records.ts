// What the client's store holds, row by row, with the shapes that its bytes are checked by. A row at rest
// is msgpack [id, row], sealed (vault.ts).

import { malformed } from '../wire/msgpack.ts';
import { bin, integer, type Of, optional, type Shape, struct, text } from '../wire/shape.ts';

const flag: Shape<boolean> = (value, path) => {
  if (typeof value === 'boolean') return value;
  throw malformed(`${path}: want true or false`);
};
function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return (value, path) => (value === null ? null : shape(value, path));
}
function oneOf<const T extends readonly string[]>(names: T): Shape<T[number]> {
  return (value, path) => {
    if (names.includes(value as string)) return value as T[number];
    throw malformed(`${path}: want one of ${names.join(', ')}`);
  };
}

const key = bin(32);
const time = integer(0);
const count = integer(0);

/** Of this store: made with it, lost with it. */
export const own = struct({
  install: bin(16),
  published: flag,
  next: count, // of every counter in the store
});

/** A person as FE1 knows him; the sticky mark of §13 is that the row is there. */
export const peer = struct({
  maxGen: count,
  E: nullable(key), // pinned at first sight
  seen: nullable(struct({ E: key, seq: count, versions: count, digest: bin(32) })),
  heardAt: time,
});

export const session = struct({
  peer: text(64),
  bytes: bin(),
  usedAt: count, // a count, not a time
  openedAt: time,
  heardAt: time,
  supersededAt: nullable(time),
});

/** An envelope that the transport has not acknowledged. */
export const outgoing = struct({
  to: text(64),
  bytes: bin(),
  id: nullable(text(32)), // of the message in it; null when nothing will be receipted
  logins: count,
});

/** Accepted from the user, not yet encrypted. Its content is in the history. */
export const waiting = struct({ to: text(64), id: text(32), order: count });

/** Encrypted, without a receipt. */
export const sent = struct({
  to: text(64),
  id: text(32),
  order: count,
  install: bin(16), // the peer's, of the session it went out on
  at: time,
  tries: count,
  heard: nullable(time), // the first sign of life from the peer after that
  queuedAt: nullable(time),
  out: count, // its newest copy in the outbox
});

/** A receipt to be sent. */
export const owed = struct({ peer: text(64), id: text(32), sid: text(64) });

/** An INIT that was opened; without a session it is a tombstone. */
export const init = struct({ peer: text(64), sid: nullable(text(64)), spkId: count });

export const spr = struct({
  bytes: bin(1420),
  spk: key,
  kemSeed: key,
  madeAt: time,
  replacedAt: nullable(time),
});

export const otk = struct({ bytes: bin(1336), kemSeed: key });

/** A person as the user knows him. */
export const contact = struct({
  key: text(64),
  name: text(128), // '' for one who wrote first and has no name yet
  alias: nullable(text(128)), // looked up once and pinned
  added: flag, // by the user
  firstSeen: time,
  verified: flag,
  blocked: flag,
  changedTo: nullable(text(64)), // the key that the relay now names for the alias
  at: optional(text(300)), // where he is met without a relay, HOST:PORT; '' not any more
});

/** A message that came and that the user has not marked as read. */
export const unread = struct({ peer: text(64), id: text(32), order: count });

/** Of a message that we sent; they only rise. */
export const STATES = ['queued', 'accepted', 'delivered', 'read'] as const;

export const line = struct({
  peer: text(64),
  order: count,
  id: text(32),
  out: flag,
  at: time, // by our clock
  state: oneOf(STATES), // of one that we sent
  content: bin(), // of type MSG, as it stands in the envelope
});

/** Where in the history a message is; a known id is never shown again. */
export const place = struct({ order: count, at: time });

export const SHAPES = {
  own,
  peers: peer,
  sessions: session,
  outbox: outgoing,
  waiting,
  sent,
  owed,
  inits: init,
  sprs: spr,
  otks: otk,
  contacts: contact,
  unread,
  lines: line,
  places: place,
} as const;

export type Own = Of<typeof own>;
export type PeerRow = Of<typeof peer>;
export type SessionRow = Of<typeof session>;
export type OutRow = Of<typeof outgoing>;
export type WaitRow = Of<typeof waiting>;
export type SentRow = Of<typeof sent>;
export type OwedRow = Of<typeof owed>;
export type InitRow = Of<typeof init>;
export type SprRow = Of<typeof spr>;
export type OtkRow = Of<typeof otk>;
export type ContactRow = Of<typeof contact>;
export type UnreadRow = Of<typeof unread>;
export type Line = Of<typeof line>;
export type Place = Of<typeof place>;
export type DeliveryState = (typeof STATES)[number];
