// How a program ends: an expected failure is one line on stderr and an exit code; docs/errors.md lists
// both, and a test compares them.

import { type ErrorCode, isFleximError, systemCode } from '../lib/errors.ts';
import { printable } from '../lib/text.ts';

export const EXIT: Readonly<Record<ErrorCode, number>> = {
  'alias-invalid': 65,
  'bad-address': 64,
  'bad-handshake': 76,
  'bad-input': 65,
  'bad-record': 76,
  'book-damaged': 65,
  'bundle-rejected': 77,
  'clock-off': 78,
  closed: 69,
  'command-refused': 75,
  'config-invalid': 78,
  'connection-lost': 69,
  'contact-blocked': 77,
  'contact-changed': 77,
  'contact-exists': 65,
  'contact-unknown': 67,
  'content-too-large': 65,
  'crypto-unavailable': 70,
  'envelope-duplicate': 65,
  'envelope-rejected': 65,
  'frame-too-large': 65,
  'identity-elsewhere': 77,
  'key-ambiguous': 78,
  'key-damaged': 65,
  'key-exists': 73,
  'key-exposed': 77,
  'key-missing': 78,
  'key-version': 76,
  'keys-directory': 78,
  'login-refused': 69,
  'login-timeout': 69,
  malformed: 65,
  'message-too-large': 65,
  'no-bundle': 75,
  'not-connected': 69,
  'not-encrypted': 77,
  'other-relay': 67,
  'other-version': 76,
  'paper-invalid': 65,
  'passphrase-needed': 78,
  'passphrase-wrong': 66,
  'peer-key-changed': 77,
  'peer-unreachable': 69,
  'port-in-use': 75,
  'port-refused': 78,
  'protocol-violation': 76,
  'relay-auth-mismatch': 77,
  'relay-key-changed': 77,
  'relay-stopping': 75,
  'relay-unreachable': 69,
  replaced: 75,
  'send-pending': 75,
  'slow-down': 75,
  'state-damaged': 74,
  'state-version': 76,
  'store-busy': 75,
  'store-damaged': 74,
  'store-failed': 74,
  'store-full': 75,
  'store-unusable': 74,
  'store-version': 76,
  truncated: 69,
  'unsupported-encryption': 77,
  usage: 64,
};

const UNEXPECTED = 70;
let quiet = false;
let outlives = false;

/** Runs a program and sets its exit code. */
export async function run(name: string, main: () => Promise<void>): Promise<void> {
  quietPipes();
  try {
    await main();
  } catch (error) {
    process.exitCode = report(name, error);
  }
}

/** Says what went wrong and gives the exit code. */
export function report(name: string, error: unknown): number {
  if (isFleximError(error)) {
    process.stderr.write(`${name}: ${printable(error.message, 2_000)} [${error.code}]\n`);
    return EXIT[error.code];
  }
  if (systemCode(error) === 'EPIPE' || quiet) return 0;
  const detail = error instanceof Error ? error.stack : String(error);
  process.stderr.write(`${name}: this should not happen, please report it:\n${detail}\n`);
  return UNEXPECTED;
}

/** A server goes on when nobody reads its output any more. */
export function outliveReaders(): void {
  outlives = true;
}

/** A reader who had enough (`flexim keys | head -1`), or a terminal that was closed, is no error. */
function quietPipes(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error) => {
      if (!['EPIPE', 'EIO'].includes(systemCode(error) ?? '')) throw error;
      if (outlives) return;
      quiet = true;
      process.exit(0);
    });
}
