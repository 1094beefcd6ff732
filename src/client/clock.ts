// A clock that was ahead and was put right: what was noted in its future would wait until then. It counts as
// having happened now.

import { type Backoff, type Core, HOUR } from './core.ts';

export function catchUp(core: Core): void {
  const { state, host } = core;
  const now = host.now();
  const isAhead = (time: number | null) => time !== null && time > now + HOUR;
  for (const [id, row] of state.sent.entries()) {
    const { at, heard, queuedAt } = row;
    if (![at, heard, queuedAt].some(isAhead)) continue;
    host.count('clock went back');
    const past = <T extends number | null>(time: T) => (isAhead(time) ? now : time);
    const times = { at: past(at), heard: past(heard), queuedAt: past(queuedAt) };
    state.sent.set(id, { ...row, ...times });
  }
  for (const [X, row] of state.peers.entries())
    if (isAhead(row.heardAt)) state.peers.set(X, { ...row, heardAt: now });
  for (const [sid, row] of state.sessions.entries()) {
    const { openedAt, heardAt, supersededAt } = row;
    if (![openedAt, heardAt, supersededAt].some(isAhead)) continue;
    const times = { openedAt: Math.min(openedAt, now), heardAt: Math.min(heardAt, now) };
    const superseded = supersededAt === null ? null : Math.min(supersededAt, now);
    state.sessions.set(sid, { ...row, ...times, supersededAt: superseded });
  }
  shorten(core.fetches, now);
  shorten(core.peeks, now);
  shorten(core.refused, now);
}

function shorten<K, B extends Backoff>(pauses: Map<K, B>, now: number): void {
  for (const [key, pause] of pauses)
    if (pause.at > now + pause.wait && Number.isFinite(pause.at))
      pauses.set(key, { ...pause, at: now + pause.wait });
}
