// Enclave behind the seam: docs/protocols/enclave.md. Everybody listens himself, so there is nothing to serve.

import { FleximError } from '../../lib/errors.ts';
import type { DialOptions, Protocol } from '../protocol.ts';
import { BookFile } from './file.ts';
import { EnclaveLink } from './link.ts';
import { Node, type NodeOptions } from './node.ts';
import type { NodeEvent } from './queues.ts';
import { DEFAULT_PORT, MAX_ENVELOPE } from './wire.ts';

export { Book, type Friend, readPlace } from './book.ts';
export { BookFile } from './file.ts';
export { EnclaveLink } from './link.ts';
export type { FriendView, NodeEvent, Order, Stranger, Verdict } from './queues.ts';
export { STATUS } from './wire.ts';

export interface EnclaveOptions extends DialOptions {
  /** The file of the address book. */
  readonly book: string;
  /** What becomes of those who are not in it; they are refused unless told. */
  readonly strangers?: NodeOptions['strangers'];
  readonly heard?: (event: NodeEvent) => void;
  readonly limits?: NodeOptions['limits'];
}

/** Begins a node that listens at `host` and `port`; it dials when it was given its prekeys. */
async function dial(options: EnclaveOptions): Promise<EnclaveLink> {
  const { host, port, identity, alias, signal, heard, strangers = 'refuse' } = options;
  const { reconnect: pauses, limits } = options;
  const book = new BookFile(options.book);
  const key = identity.hex;
  const named = alias || key.slice(0, 8);
  const node = await Node.open({
    ...{ host, port, book, alias: named, key, strangers },
    ...(pauses && { pauses }),
    ...(limits && { limits }),
  });
  const link = new EnclaveLink(node, { key, alias: named, book, heard });
  if (!signal?.aborted) return link;
  await link.close();
  throw new FleximError('closed', 'this link was closed');
}

export const enclave = {
  name: 'enclave',
  defaultPort: DEFAULT_PORT,
  maxEnvelope: MAX_ENVELOPE,
  dial,
} satisfies Protocol;
