// What becoming the owner of a profile takes, and how he behaves then.

import type { Address } from '../../lib/address.ts';
import type { Pins } from '../../protocols/protocol.ts';
import type { WayName } from '../transports.ts';
import type { Agent } from './agent.ts';
import type { EnclaveSettings } from './enclave.ts';
import type { Opened } from './profile.ts';

/** How the messenger behaves while this process is the owner. */
export interface OwnerOptions {
  readonly takeOver?: boolean;
  readonly readReceipts?: boolean;
  readonly signs?: boolean;
  /** Claim this alias at the first login; the name of the key unless told, null for none. */
  readonly alias?: string | null;
  /** Not to connect before. */
  readonly dialAfter?: Promise<void>;
  /** That of the relay's address unless told. */
  readonly way?: WayName | null;
  /** Of a node, for the ways that need one. */
  readonly enclave?: EnclaveSettings;
}

export interface Owning {
  readonly me: Agent['me'];
  readonly directory: string;
  readonly opened: Opened;
  readonly relay: Address;
  readonly pins: Pins;
  readonly insecurePlaintext: boolean;
  readonly say: (line: string) => void;
  /** The command that saves what can be read of a damaged store. */
  readonly remedy: string;
  readonly options: OwnerOptions;
  readonly pid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}
