// Which profile a locked key file belongs to, for who has not got its passphrase: an owner who has opened
// it serves him. The name is a hash of the file's open part (docs/protocols/fe1.md §16), which is new with
// each file; what stands there is the public key.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { H } from '../../crypto/hash.ts';
import { privateDirectory } from '../../keystore/directory.ts';
import { createFile, readTrusted } from '../../keystore/files.ts';
import { parseKey } from '../../lib/address.ts';
import { toHex, utf8, view } from '../../lib/bytes.ts';
import { isFleximError } from '../../lib/errors.ts';

const TRUST = { max: 128, forbidden: 0o022, unfit: 'key-exposed' } as const;

const HINTS = 'hints';

/** The public key of a locked file that was opened here before, or null. */
export function hintedKey(data: string, header: Uint8Array): string | null {
  const bytes = readTrusted(join(data, HINTS, nameOf(header)), TRUST);
  return bytes && parseKey(view(bytes).toString('latin1'));
}

/** Where it cannot be left, or another process was as quick, the passphrase is asked for next time. */
export function leaveHint(data: string, header: Uint8Array, key: string): void {
  try {
    if (hintedKey(data, header) === key) return;
    const path = join(privateDirectory(join(data, HINTS)), nameOf(header));
    rmSync(path, { force: true });
    createFile(path, utf8(key));
  } catch (error) {
    if (!isFleximError(error)) throw error;
  }
}

function nameOf(header: Uint8Array): string {
  return toHex(H('flexim.hint', header).subarray(0, 16));
}
