// Safety numbers: docs/protocols/fe1.md §12. Both sides see the same 60 digits.

import { fingerprint, groupDigits } from '../crypto/identity.ts';
import { fromHex, sameBytes, toHex } from '../lib/bytes.ts';

const QR_PREFIX = 'FXSN1:';

/** 12 groups of five digits, the same for both. */
export function safetyNumber(self: Uint8Array, peer: Uint8Array): string {
  return groupDigits([fingerprint(self), fingerprint(peer)].sort().join(''));
}

/** What a QR code holds: own key first. */
export function safetyText(self: Uint8Array, peer: Uint8Array): string {
  return `${QR_PREFIX}${toHex(self)}${toHex(peer)}`;
}

/** Whether a scanned text is that of the peer about us: his key, then ours. Null: no such text. */
export function checkSafetyText(text: string, self: Uint8Array, peer: Uint8Array): boolean | null {
  if (!text.startsWith(QR_PREFIX)) return null;
  const keys = fromHex(text.slice(QR_PREFIX.length), 64);
  if (!keys) return null;
  return sameBytes(keys.subarray(0, 32), peer) && sameBytes(keys.subarray(32), self);
}
