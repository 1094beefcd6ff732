// Who may come in at an owner's socket: a process of the same version, for the same identity, that does not
// want another relay.

import { type Address, formatAddress, hostAndPort, parseAddress } from '../../lib/address.ts';
import { type ErrorCode, FleximError } from '../../lib/errors.ts';
import { isEnclave } from './enclave.ts';
import { type Hello, HOUSE, VERBS_MARK, type Welcome } from './wire.ts';

export interface Owning {
  readonly key: string;
  readonly pid: number;
  readonly relay: Address;
  /** The relay's key, as far as it is known. */
  readonly relayKey: string | null;
}

/** Throws `other-version`, `other-relay`, or `protocol-violation` for another identity. */
export function admit(hello: Hello, { key, pid, relay, relayKey }: Owning): Welcome {
  const refuse = (code: ErrorCode, why: string) =>
    new FleximError(code, `process ${pid} has this profile, and ${why}`);
  if (hello.house !== HOUSE || hello.verbs !== VERBS_MARK)
    throw refuse('other-version', 'it runs another version of flexim: close it, then try again');
  if (hello.key !== key) throw refuse('protocol-violation', 'it is of another identity');
  if (hello.relay !== null && !isSame(parseAddress(hello.relay), relay, relayKey))
    throw refuse(
      'other-relay',
      `it is connected to ${shown(relay)}: leave --relay and --transport out, or close it first`,
    );
  const { host, port, relayKey: known, transport } = relay;
  const address = formatAddress({ host, port, relayKey: known, transport });
  return { house: HOUSE, pid, relay: address };
}

function shown(relay: Address): string {
  return isEnclave(relay) ? 'its friends, as an Enclave node' : hostAndPort(relay);
}

/** By their keys where both are known, else by the places. */
function isSame(wanted: Address, relay: Address, relayKey: string | null): boolean {
  if (isEnclave(wanted) || isEnclave(relay)) return isEnclave(wanted) && isEnclave(relay);
  if (wanted.relayKey !== null && relayKey !== null) return wanted.relayKey === relayKey;
  return hostAndPort(wanted) === hostAndPort(relay);
}
