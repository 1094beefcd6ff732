// Every expected failure is a FleximError with a code from this closed list; docs/errors.md explains
// each one and a test holds the two together. Codes are API: they are added, never renamed.

export const ERROR_CODES = [
  'alias-invalid',
  'bad-address',
  'bad-handshake',
  'bad-input',
  'bad-record',
  'book-damaged',
  'bundle-rejected',
  'clock-off',
  'closed',
  'command-refused',
  'config-invalid',
  'connection-lost',
  'contact-blocked',
  'contact-changed',
  'contact-exists',
  'contact-unknown',
  'content-too-large',
  'crypto-unavailable',
  'envelope-duplicate',
  'envelope-rejected',
  'frame-too-large',
  'identity-elsewhere',
  'key-ambiguous',
  'key-damaged',
  'key-exists',
  'key-exposed',
  'key-missing',
  'key-version',
  'keys-directory',
  'login-refused',
  'login-timeout',
  'malformed',
  'message-too-large',
  'no-bundle',
  'not-connected',
  'not-encrypted',
  'other-relay',
  'other-version',
  'paper-invalid',
  'passphrase-needed',
  'passphrase-wrong',
  'peer-key-changed',
  'peer-unreachable',
  'port-in-use',
  'port-refused',
  'protocol-violation',
  'relay-auth-mismatch',
  'relay-key-changed',
  'relay-stopping',
  'relay-unreachable',
  'replaced',
  'send-pending',
  'slow-down',
  'state-damaged',
  'state-version',
  'store-busy',
  'store-damaged',
  'store-failed',
  'store-full',
  'store-unusable',
  'store-version',
  'truncated',
  'unsupported-encryption',
  'usage',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** An expected failure: the message says what happened, where, and what to do next. */
export class FleximError extends Error {
  override readonly name = 'FleximError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

export function isFleximError(error: unknown, code?: ErrorCode): error is FleximError {
  return error instanceof FleximError && (code === undefined || error.code === code);
}

/** The code of a failed system call (`ENOENT` and friends), or null. */
export function systemCode(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}
