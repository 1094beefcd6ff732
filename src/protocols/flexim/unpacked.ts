// What a client sent, as a datum; what is malformed is counted and answered. docs/protocols/flexim.md §2.5.

import { FleximError } from '../../lib/errors.ts';
import type { Connection } from '../../net/connection.ts';
import type { Drops } from '../../relay/drops.ts';
import type { DatumOf } from '../../wire/datum.ts';
import { statusFrame } from './status.ts';
import { type DatumName, type Datums, datums } from './wire.ts';

type Counter = Pick<Drops, 'count'>;

/** The datum in a body, or null when it is malformed, which was answered. */
export function unpacked<N extends DatumName>(
  connection: Connection,
  drops: Counter,
  { name, body }: { readonly name: N; readonly body: Buffer },
): DatumOf<Datums, N> | null {
  try {
    return datums.unpack(name, body);
  } catch (error) {
    answerMalformed(connection, drops, error, name === 'Command' ? 'malformed' : 'badFrame');
    return null;
  }
}

export function answerMalformed(
  connection: Connection,
  drops: Counter,
  error: unknown,
  status: 'malformed' | 'badFrame',
): void {
  if (!(error instanceof FleximError)) throw error;
  drops.count('malformed');
  connection.reply(statusFrame(status, `malformed ${error.message}`));
}
