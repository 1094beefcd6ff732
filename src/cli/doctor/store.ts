// The doctor's look at a person's store: the file, its records under this key, and who has it open. It
// reads, and writes nothing.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Opened, openState } from '../../client/state.ts';
import { Vault } from '../../client/vault.ts';
import { randomBytes } from '../../crypto/sodium.ts';
import { isFleximError } from '../../lib/errors.ts';
import { checkStore } from '../../store/check.ts';
import { readMarker } from '../../store/marker.ts';
import type { Owner } from '../../store/owner.ts';
import { readStore, tableOf } from '../../store/read.ts';
import { RECOVER, STORE_NAME } from '../agent/owner.ts';
import type { Common } from '../command.ts';
import { dataHome } from '../places.ts';
import { isAlive } from '../process.ts';
import { group } from '../salvage.ts';
import { opening, progressNews } from '../store.ts';
import { type Finding, fault, ok } from './finding.ts';

/** Where the store of an identity would be; nothing is made. */
export function storePlace({ data }: Common, key: string): string {
  const base = data === null ? join(dataHome(process.env), 'flexim') : resolve(data);
  return join(base, key.slice(0, 32));
}

/** The process that has it open, or null. */
export function ownerOf(directory: string): Owner | null {
  const owner = readMarker(join(directory, `${STORE_NAME}.lmdb`))?.owner ?? null;
  return owner && isAlive(owner) ? owner : null;
}

export interface Looked {
  readonly finding: Finding;
  /** Of this store; null when it has none, or could not be read. */
  readonly install: Uint8Array | null;
}

/** Throws `store-damaged` for a file that is, and what reading throws. */
export async function lookAtStore(
  directory: string,
  storeKey: Uint8Array,
  say: (text: string) => void,
): Promise<Looked> {
  const path = join(directory, `${STORE_NAME}.lmdb`);
  if (!existsSync(path))
    return {
      finding: ok('there is none yet; the first command that needs it makes it'),
      install: null,
    };
  const reading = opening(directory, progressNews(say), RECOVER);
  const owner = ownerOf(directory);
  if (!owner && !readMarker(path)) await checkStore(path, reading); // with a marker, reading does
  const reader = await readStore(directory, STORE_NAME, reading);
  try {
    const store = { path, bytes: () => tableOf(reader, STORE_NAME), batch: refuse };
    const opened = openState(new Vault(store, storeKey, randomBytes), path);
    const messages = group(countMessages(opened));
    const use = owner ? `, in use by process ${owner.pid}` : '';
    const install = opened.state.own.get('own')?.install ?? null;
    return { finding: ok(`${path}: messages: ${messages}${use}`), install };
  } catch (error) {
    if (!isFleximError(error, 'store-damaged')) throw error;
    return { finding: unopened(path), install: null };
  } finally {
    await reader.close();
  }
}

/** Opening each of them. */
function countMessages({ state, linesOf }: Opened): number {
  let count = 0;
  for (const { key } of state.contacts.values()) for (const _ of linesOf(key)) count++;
  return count;
}

async function refuse(): Promise<never> {
  throw new Error('the doctor writes nothing');
}

/** The file is sound, and what is in it is not. */
function unopened(path: string): Finding {
  return fault(
    'store-damaged',
    `${path}: the file is sound, but its records do not open with this key. After flexim restore that ` +
      'cannot be otherwise: move the file away, and a new one is made',
  );
}
