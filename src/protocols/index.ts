// The registry: one line for each protocol.

import { overCommstream } from './commstream/index.ts';
import { enclave } from './enclave/index.ts';
import { flexim } from './flexim/index.ts';
import type { Protocol } from './protocol.ts';

export const protocols = {
  flexim,
  commstream: overCommstream(flexim),
  enclave,
} as const satisfies Readonly<Record<string, Protocol>>;

export {
  CommStream,
  type CommStreamOptions,
  type Outcome,
  type Received,
} from './commstream/index.ts';
export type * from './protocol.ts';
