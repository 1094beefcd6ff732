// Whose turn it is to open a profile: one looks the store over after a crash, and the others wait for it.
// This saves work and nothing more: if two believe to have the turn, the claim of the store decides.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../../lib/errors.ts';
import { parseOwner } from '../../store/marker.ts';
import { isAlive, thisProcess } from '../process.ts';

const NAME = 'opening';

export interface Turn {
  leave(): void;
}

/** Null while another process, or another agent of this one, is at it. */
export function takeTurn(directory: string): Turn | null {
  const path = join(directory, NAME);
  try {
    writeFileSync(path, JSON.stringify(thisProcess()), { flag: 'wx', mode: 0o600 });
    return { leave: () => rmSync(path, { force: true }) };
  } catch (error) {
    // A disk that is full, say: then it is tried without, and the store says what is wrong.
    if (systemCode(error) !== 'EEXIST') return { leave: () => {} };
  }
  if (!holderOf(path)) rmSync(path, { force: true }); // of a dead process: free for the next try
  return null;
}

/** The pid of whoever is opening the profile, or null. */
export function turnOf(directory: string): number | null {
  return holderOf(join(directory, NAME));
}

function holderOf(path: string): number | null {
  try {
    const owner = parseOwner(readFileSync(path, 'utf8'));
    return owner && isAlive(owner) ? owner.pid : null;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}
