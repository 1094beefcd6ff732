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
    name: 'deliver-twice',
    about: 'a Message is written twice into a live connection, now and then',
    scenario: 'kill',
    file: 'protocols/flexim/visitor.js',
    find: 'this.#connection.send(bytes, start, end);',
    replace: `this.#connection.send(bytes, start, end);
        if (Math.random() < 0.01) this.#connection.send(bytes, start, end);`,
    expects: ['repeat-in-session'],
  },
];

const ROOT = join(import.meta.dirname, '..', '..');

/** A copy of the programs with this fault in them. Throws when its place is not found exactly once. */
export function plant({ name, file, find, replace }: Fault): { root: string; remove: () => void } {
  const root = mkdtempSync(join(tmpdir(), 'flexim-planted-'));
  const remove = () => rmSync(root, { recursive: true, force: true });
  for (const part of ['bin', 'dist', 'package.json'])
    cpSync(join(ROOT, part), join(root, part), { recursive: true });
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
