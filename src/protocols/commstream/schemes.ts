// What can be negotiated: docs/protocols/commstream.md §4. The names are the magic strings of the wire.

export const SCHEMES = ['x25519-xwing-1', 'x25519-1', 'plain'] as const;
export type Scheme = (typeof SCHEMES)[number];

export const DEFAULT_SCHEME: Scheme = 'x25519-xwing-1';

/** Only this one carries a KEM ciphertext. */
export const isHybrid = (name: string): boolean => name === 'x25519-xwing-1';

/**
 * What a side accepts, the best first. Forced means without `plain`; not forced means that it is the last
 * one, unless it is what is preferred.
 */
export function acceptable(preferred: Scheme, force: boolean): readonly Scheme[] {
  const others = SCHEMES.filter((each) => each !== preferred);
  return [preferred, ...others].filter((each) => !force || each !== 'plain');
}
