// Where the socket of a profile is: in its directory, or, when that path is too long for a socket or its
// file system has none, in a directory of our own with a random name, to which the file `socket.at` points.
// A socket is spoken to only if it and its directory are ours and nobody else's.

import { lstatSync, mkdtempSync, realpathSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { readTrusted, writeExclusive } from '../../keystore/files.ts';
import { octal, ourUid } from '../../keystore/owner.ts';
import { utf8, view } from '../../lib/bytes.ts';
import { FleximError, systemCode } from '../../lib/errors.ts';
import type { Channel } from '../../net/channel.ts';
import { dialLocal, type LocalListener, listenLocal, MAX_LOCAL_PATH } from '../../net/local.ts';

const SOCKET = 'socket';
const POINTER = 'socket.at';
const PREFIX = 'flexim-';
const TRUST = { max: 4_096, forbidden: 0o022, unfit: 'key-exposed' } as const;
/** What file systems without sockets say. */
const NO_SOCKETS = ['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL', 'ENOSYS'];

type Env = Readonly<Record<string, string | undefined>>;

/** A way to whoever serves this profile, or null. Throws `key-exposed` for what is not ours. */
export async function dialProfile(directory: string): Promise<Channel | null> {
  const real = realpathSync(directory);
  const path = pointed(real) ?? join(real, SOCKET);
  if (!fits(path) || !isOurSocket(path)) return null;
  return dialLocal(path);
}

/** Serves this profile. Only for whoever has claimed its store: what a dead owner left is removed. */
export async function listenProfile(
  directory: string,
  accept: (channel: Channel) => void,
  env: Env = {},
): Promise<LocalListener> {
  const real = realpathSync(directory);
  clear(real);
  const direct = join(real, SOCKET);
  if (fits(direct))
    try {
      return await listenLocal(direct, accept);
    } catch (error) {
      if (!NO_SOCKETS.includes(systemCode(error) ?? '')) throw unable(direct, error);
    }
  return listenElsewhere(real, accept, env);
}

async function listenElsewhere(
  real: string,
  accept: (channel: Channel) => void,
  env: Env,
): Promise<LocalListener> {
  let away = '';
  try {
    // Nobody can have put something there before: mkdtemp makes it, 0700, under a name of its own.
    away = mkdtempSync(join(base(env), PREFIX));
    const path = join(away, SOCKET);
    if (!fits(path)) throw new Error('that path is too long for a socket');
    const listener = await listenLocal(path, accept);
    point(real, path);
    const close = async () => {
      rmSync(join(real, POINTER), { force: true });
      const closed = listener.close();
      rmSync(away, { recursive: true, force: true });
      await closed;
    };
    return { close };
  } catch (error) {
    if (away) rmSync(away, { recursive: true, force: true });
    throw unable(away || base(env), error);
  }
}

function base(env: Env): string {
  const { XDG_RUNTIME_DIR: runtime } = env;
  return runtime && isAbsolute(runtime) && problemOf(runtime) === null ? runtime : tmpdir();
}

/** The file appears whole. */
function point(real: string, path: string): void {
  const temp = join(real, `.${POINTER}.tmp`);
  rmSync(temp, { force: true });
  writeExclusive(temp, utf8(path));
  renameSync(temp, join(real, POINTER));
}

function pointed(real: string): string | null {
  const bytes = readTrusted(join(real, POINTER), TRUST);
  if (!bytes) return null;
  const path = view(bytes).toString('utf8');
  const isForm = basename(path) === SOCKET && basename(dirname(path)).startsWith(PREFIX);
  return isForm && isAbsolute(path) ? path : null;
}

/** Removes what a dead owner left, and nothing that is no socket of ours. */
function clear(real: string): void {
  const away = pointed(real);
  try {
    if (away && isOurSocket(away)) rmSync(away);
    if (away) rmdirSync(dirname(away));
  } catch {
    // Somebody else tidied up, or it is not ours: it is in nobody's way.
  }
  rmSync(join(real, POINTER), { force: true });
  const direct = join(real, SOCKET);
  if (isOurSocket(direct)) rmSync(direct);
}

/** False when there is none. */
function isOurSocket(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return false;
  const problem =
    problemOf(dirname(path)) ?? (stat.isSocket() ? problemOf(path) : 'it is no socket');
  if (problem)
    throw new FleximError(
      'key-exposed',
      `${path} is not used to speak to another flexim: ${problem}. Find out what it is, and remove it`,
    );
  return true;
}

/** What is wrong with the owner or the mode of a path, or null. Links are not followed. */
function problemOf(path: string): string | null {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return 'it is not there';
  if (stat.isSymbolicLink()) return 'it is a link';
  if (stat.uid !== ourUid()) return `it belongs to user ${stat.uid}`;
  return (stat.mode & 0o077) === 0 ? null : `others may use it (mode ${octal(stat.mode)})`;
}

function fits(path: string): boolean {
  return Buffer.byteLength(path) <= MAX_LOCAL_PATH;
}

function unable(path: string, error: unknown): FleximError {
  const why = systemCode(error) ?? (error instanceof Error ? error.message : '');
  return new FleximError(
    'store-unusable',
    `cannot listen at ${path} for other processes of this profile: ${why}. Look after that directory`,
    error,
  );
}
