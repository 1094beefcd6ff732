// Faults planted in a copy of the built relay, to show that the ledger finds them: each is a textual
// edit of one file of dist/ that must fit exactly once, so that it cannot rot unseen.

import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ViolationKind } from './ledger.ts';

export interface Fault {
  readonly name: string;
  readonly about: string;
  readonly scenario: string;
  /** Relative to dist/. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** One of these must be found. */
  readonly expects: readonly ViolationKind[];
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'forgotten-write',
    about: 'event 20 for Messages that were not written, now and then',
    scenario: 'kill',
    file: 'relay/mailbox.js',
    find: 'this.#tables.rows.put(',
    replace: 'if (Math.random() > 0.1) this.#tables.rows.put(',
    expects: ['lost'],
  },
  {
    name: 'hasty-event',
    about: 'event 20 before the commit is on the disk',
    scenario: 'kill',
    file: 'relay/mailbox.js',
    find: 'if (number < this.#pending)',
    replace: `const draft = this.#drafts.pop();
        this.#drafts.push({ ...draft, poster: null });
        queueMicrotask(() => poster?.settled(draft, null));
        if (number < this.#pending)`,
    expects: ['lost'],
  },
  {
    name: 'removed-when-sent',
    about: 'a queued Message leaves the disk when it was sent, not when it was acknowledged',
    scenario: 'kill',
    file: 'relay/outlet.js',
    find: 'member.deliver(segment.frames, start, end);',
    replace: `member.deliver(segment.frames, start, end);
        this.#options.queue.removeTo(mailbox, this.#sentTo);`,
    expects: ['lost'],
  },
  {
    name: 'kept-when-acknowledged',
    about: 'an acknowledgement does not reach the disk, now and then',
    scenario: 'kill',
    file: 'relay/outlet.js',
    find: 'if (last > 0)',
    replace: 'if (last > 0 && Math.random() > 0.2)',
    expects: ['repeat-acknowledged'],
  },
  {
    name: 'delivered-twice',
    about: 'a Message is written twice into a connection, now and then',
    scenario: 'kill',
    file: 'protocols/flexim/member.js',
    find: 'this.#connection.send(bytes, start, end);',
    replace: `this.#connection.send(bytes, start, end);
        if (Math.random() < 0.05) this.#connection.send(bytes, start, end);`,
    expects: ['repeat-in-session'],
  },
  {
    name: 'forgotten-at-the-end',
    about: 'what was sent and not acknowledged is not queued when its connection ends',
    scenario: 'stop',
    file: 'relay/outlet.js',
    find: 'this.spill();',
    replace: '',
    expects: ['lost'],
  },
  {
    name: 'not-durable',
    about: '--durable without effect on what goes to live connections',
    scenario: 'durable',
    file: 'relay/outlet.js',
    find: 'if (!goesOn || durable)',
    replace: 'if (!goesOn)',
    // Besides, what went out at once stands behind rows that are not kept yet, and is taken for them.
    expects: ['lost', 'repeat-acknowledged'],
  },
];

const ROOT = join(import.meta.dirname, '..', '..');

/** A copy of the programs, as modules, with this fault in them. Throws when its place is not found exactly once. */
export function plant({ name, file, find, replace }: Fault): { root: string; remove: () => void } {
  const root = mkdtempSync(join(tmpdir(), 'flexim-planted-'));
  const remove = () => rmSync(root, { recursive: true, force: true });
  // Without the bundles the launcher starts the modules of dist/, one of which is edited now.
  const filter = (path: string) => path !== join(ROOT, 'dist', 'programs');
  for (const part of ['bin', 'dist', 'package.json'])
    cpSync(join(ROOT, part), join(root, part), { recursive: true, filter });
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  const path = join(root, 'dist', file);
  const parts = readFileSync(path, 'utf8').split(find);
  if (parts.length !== 2) {
    remove();
    throw new Error(`${name}: its place is ${parts.length - 1} times in dist/${file}, want once`);
  }
  writeFileSync(path, parts.join(replace));
  return { root, remove };
}
