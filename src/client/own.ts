// Our own prekeys: docs/protocols/fe1.md §4.4 and §10.7. A record is in the store before it goes to the relay,
// and one-time records whose arrival is not known are never put a second time.

import { exchangePair } from '../crypto/sodium.ts';
import { RELAY_TTL, SPR_LIFE, SPR_ROTATION } from '../fe1/constants.ts';
import {
  makeOneTimePrekey,
  makeSignedPrekey,
  type OwnOneTimePrekey,
  type OwnSignedPrekey,
  parseOneTimePrekey,
  parseSignedPrekey,
  type SignedPrekey,
} from '../fe1/prekeys.ts';
import { sameBytes } from '../lib/bytes.ts';
import { FleximError } from '../lib/errors.ts';
import { type Core, DAY, next, ownRow } from './core.ts';
import type { SprRow } from './records.ts';
import type { State } from './state.ts';

/** With its private keys; null for one that we have not, or not any more. */
export function ownSigned({ sprs }: State, spkId: number): OwnSignedPrekey | null {
  const row = sprs.get(spkId);
  const record = row && parseSignedPrekey(row.bytes);
  return record ? { record, spk: exchangePair(row.spk), kemSeed: row.kemSeed } : null;
}

export function ownOneTime({ otks }: State, otkId: number): OwnOneTimePrekey | null {
  const row = otks.get(otkId);
  const record = row && parseOneTimePrekey(row.bytes);
  return record ? { record, kemSeed: row.kemSeed } : null;
}

function newest({ sprs }: State): (SprRow & { readonly record: SignedPrekey }) | null {
  const row = sprs.values().find(({ replacedAt }) => replacedAt === null);
  return row ? { ...row, record: parseSignedPrekey(row.bytes) as SignedPrekey } : null;
}

/**
 * What the relay holds for our own key, at login. Throws `identity-elsewhere` when another store made it,
 * unless this one has never published, or is to take over, by the user's word.
 */
export function peekedSelf(core: Core, bytes: Uint8Array | null, takeOver: boolean): void {
  const held = bytes && parseSignedPrekey(bytes);
  const own = ownRow(core.state);
  const mine = newest(core.state);
  const isForeign = held !== null && !sameBytes(held.install, own.install);
  const seq = mine?.record.seq ?? 0;
  // An older one than ours is an old one that the relay should not have any more.
  if (isForeign && !takeOver && (!own.published || held.seq >= seq)) throw elsewhere();
  if (held && !isForeign) published(core);
  if (!mine || (isForeign && held.seq >= seq)) makeSigned(core, (held?.seq ?? 0) + 1);
  if (held && !isForeign && held.seq === seq) core.effects.push({ kind: 'count' });
  else publish(core);
}

function elsewhere(): FleximError {
  return new FleximError(
    'identity-elsewhere',
    'the relay holds prekeys of this identity from another store: it is used elsewhere, or was before ' +
      'this store was made. Two at once would each see half of the messages. Stop the other one; if it is ' +
      'gone for good, open this one with takeOver',
  );
}

/** The answer to a publishing. */
export function published({ state }: Core): void {
  const own = ownRow(state);
  if (!own.published) state.own.set('own', { ...own, published: true });
}

/** How many one-time records the relay still has. */
export function counted(core: Core, held: number): void {
  if (held < core.host.sizes.otkLow) publish(core, core.host.sizes.otkBatch - held);
}

/** On a direct link: what those who arrive are shown. One-time records are for relays. */
export function show(core: Core): void {
  if (!newest(core.state)) makeSigned(core, 1);
  publish(core, 0);
}

/** Beside a relay, which has them: for those who are met directly. */
export function showToo(core: Core): void {
  const mine = newest(core.state);
  if (mine) core.effects.push({ kind: 'show', spr: mine.bytes });
}

export function rotate(core: Core): void {
  const mine = newest(core.state);
  if (!core.isUp || !mine) return;
  if (core.here === null && !ownRow(core.state).published) return;
  const age = core.host.now() - mine.madeAt;
  if (age < SPR_ROTATION && age > -DAY) return; // made in the future: the clock was wrong
  core.host.count('SPR rotated');
  makeSigned(core, mine.record.seq + 1);
  publish(core, 0);
}

/** A new signed record; the one before stays usable as long as the relay may hold an INIT to it. */
function makeSigned(core: Core, atLeast: number): void {
  const { identity, state, host } = core;
  const now = host.now();
  const { install } = ownRow(state);
  const spkId = newId(core);
  const options = { install, seq: Math.max(atLeast, now), expires: now + SPR_LIFE, spkId };
  const { record, spk, kemSeed } = makeSignedPrekey(identity, options, host.random);
  for (const [id, row] of state.sprs.entries())
    if (row.replacedAt === null) state.sprs.set(id, { ...row, replacedAt: now });
  const made = { bytes: record.bytes, spk: spk.privateKey, kemSeed, madeAt: now, replacedAt: null };
  state.sprs.set(spkId, made);
}

/** Random, not 0, not in use. */
function newId({ state, host }: Core): number {
  for (;;) {
    const bytes = host.random(4);
    const id = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    if (id !== 0 && !state.sprs.has(id)) return id;
  }
}

/** Puts the newest signed record with new one-time ones. */
function publish(core: Core, otks: number = core.host.sizes.otkBatch): void {
  const { identity, state, host } = core;
  const mine = newest(state);
  if (!core.isUp || !mine) return;
  const { install } = ownRow(state);
  const made = Array.from({ length: otks }, () => {
    const otkId = next(core);
    const { record, kemSeed } = makeOneTimePrekey(identity, { install, otkId }, host.random);
    state.otks.set(otkId, { bytes: record.bytes, kemSeed });
    return record.bytes;
  });
  core.effects.push({ kind: 'publish', spr: mine.bytes, otks: made });
}

/** Private keys of replaced records go, and with them the memory of the INITs that used them. */
export function wipeOld({ state, host }: Core): void {
  for (const [spkId, { replacedAt }] of state.sprs.entries()) {
    if (replacedAt === null || replacedAt > host.now() - RELAY_TTL) continue;
    host.count('SPR wiped');
    state.sprs.delete(spkId);
    for (const [iid, row] of state.inits.entries())
      if (row.spkId === spkId) state.inits.delete(iid);
  }
}
