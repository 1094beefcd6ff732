// The commands for end-to-end prekeys, the client's side: docs/protocols/fe1.md §4.5. Records are bytes
// here and unpadded base64url on the wire; whether they are good is judged by who uses them.

import { fromBase64url, toBase64url } from '../../lib/bytes.ts';
import { FleximError } from '../../lib/errors.ts';
import type { PrekeyDirectory } from '../protocol.ts';
import type { Answer } from './session.ts';
import { STATUS } from './status.ts';

/** Gives the answer to a command, and throws for a refusal other than "not found". */
export type Ask = (cmd: string, ...payload: string[]) => Promise<Answer>;

export function prekeyDirectory(ask: Ask): PrekeyDirectory {
  return {
    publish: async (spr, otks) =>
      held(await ask('FE1_PUT', toBase64url(spr), ...otks.map(toBase64url))),
    fetch: async (key) => {
      const records = recordsOf(await ask('FE1_GET', key), 'FE1_GET');
      // An empty text in the place of the one-time record is none.
      return records && { spr: bytes(records[0]), otk: records[1] ? bytes(records[1]) : null };
    },
    peek: async (key) => {
      const records = recordsOf(await ask('FE1_PEEK', key), 'FE1_PEEK');
      return records && bytes(records[0]);
    },
    count: async () => held(await ask('FE1_COUNT')),
  };
}

function held({ name, datum }: Answer): number {
  if (name === 'Status' && datum.status === STATUS.fine && /^\d{1,9}$/.test(datum.payload))
    return Number(datum.payload);
  throw unexpected();
}

/** Null: that key has left no prekeys. */
function recordsOf({ name, datum }: Answer, cmd: string): readonly string[] | null {
  if (name === 'Status' && datum.status === STATUS.notFound) return null;
  if (name === 'Command' && datum.cmd === cmd) return datum.payload;
  throw unexpected();
}

function bytes(text = ''): Uint8Array {
  return fromBase64url(text) ?? raise(unexpected());
}

function unexpected(): FleximError {
  return new FleximError(
    'protocol-violation',
    'the relay answered with something else than prekeys',
  );
}

function raise(error: Error): never {
  throw error;
}
