// What the doctor looks at, in this order, and what was found of each.

import { type ErrorCode, type FleximError, isFleximError } from '../../lib/errors.ts';
import { presentable } from '../../lib/text.ts';

export const CHECKS = [
  ...(['key', 'relay address', 'dns', 'port', 'relay key', 'login'] as const),
  ...(['prekeys', 'store', 'clock'] as const),
] as const;
export type Check = (typeof CHECKS)[number];

export interface Finding {
  readonly state: 'ok' | 'fault' | 'skipped';
  /** Of a fault. */
  readonly code: ErrorCode | null;
  readonly what: string;
}

export const ok = (what: string): Finding => ({ state: 'ok', code: null, what });
export const skipped = (why: string): Finding => ({
  state: 'skipped',
  code: null,
  what: why,
});
export const fault = (code: ErrorCode, what: string): Finding => ({ state: 'fault', code, what });

/** What stands for an expected failure; others are thrown on. */
export function faultOf(error: unknown): Finding {
  if (!isFleximError(error)) throw error;
  return fault(error.code, presentable((error as FleximError).message));
}

export class Findings {
  readonly #found = new Map<Check, Finding>();

  /** The first finding of a check counts. */
  note(check: Check, finding: Finding): void {
    if (!this.#found.has(check)) this.#found.set(check, finding);
  }

  /** All checks in their order. */
  list(): readonly (readonly [Check, Finding])[] {
    const none = skipped('what comes before it has to be well first');
    return CHECKS.map((check) => [check, this.#found.get(check) ?? none]);
  }
}
