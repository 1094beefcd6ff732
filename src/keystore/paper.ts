// A seed on paper: Crockford base32 of seed || checksum, 56 characters in 14 groups of 4.
// docs/protocols/fe1.md §16. What was typed is a secret even when it is wrong: no error repeats it.

import { H } from '../crypto/hash.ts';
import { SEED_BYTES, wipe } from '../crypto/sodium.ts';
import { concat, sameBytes } from '../lib/bytes.ts';
import { FleximError } from '../lib/errors.ts';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const CHECK_BYTES = 3;
const CHARACTERS = ((SEED_BYTES + CHECK_BYTES) * 8) / 5;

// Only ASCII letters have a second case here: toUpperCase would turn a dotless i into an I.
const VALUES = new Map<string, number>(
  [...ALPHABET].flatMap((symbol, value) => [
    [symbol, value],
    [symbol.toLowerCase(), value],
  ]),
);
for (const [written, meant] of ['O0', 'o0', 'I1', 'i1', 'L1', 'l1'])
  VALUES.set(written as string, Number(meant));

export function encodePaper(seed: Uint8Array): string {
  if (seed.length !== SEED_BYTES) throw new TypeError('a seed has 32 bytes');
  const bytes = concat(seed, checksum(seed));
  let text = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    bits = (bits << 8) | byte;
    held += 8;
    while (held >= 5) {
      held -= 5;
      text += ALPHABET[bits >> held];
      bits &= (1 << held) - 1;
    }
  }
  wipe(bytes);
  return text.match(/.{4}/g)?.join('-') ?? '';
}

/** The seed. Case, spaces and hyphens do not matter. Throws `paper-invalid` saying what is wrong. */
export function decodePaper(text: string): Uint8Array {
  const symbols = [...text.replace(/[\s\p{Pd}]/gu, '')];
  const values = symbols.map((symbol) => VALUES.get(symbol));
  const stranger = values.indexOf(undefined);
  if (stranger >= 0)
    throw invalid(
      `character ${stranger + 1}, in group ${Math.floor(stranger / 4) + 1}, is none that a backup has`,
    );
  if (values.length !== CHARACTERS)
    throw invalid(`it has ${values.length} characters, ${CHARACTERS} are needed`);
  const bytes = new Uint8Array(SEED_BYTES + CHECK_BYTES);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const value of values) {
    bits = (bits << 5) | (value ?? 0);
    held += 5;
    if (held < 8) continue;
    held -= 8;
    bytes[at++] = bits >> held;
    bits &= (1 << held) - 1;
  }
  const seed = bytes.slice(0, SEED_BYTES);
  const whole = sameBytes(checksum(seed), bytes.subarray(SEED_BYTES));
  wipe(bytes);
  if (whole) return seed;
  wipe(seed);
  throw invalid('its checksum does not match, so at least one character is another one');
}

function checksum(seed: Uint8Array): Uint8Array {
  return H('flexim.paper', seed).subarray(0, CHECK_BYTES);
}

function invalid(why: string): FleximError {
  return new FleximError(
    'paper-invalid',
    `not a paper backup: ${why}. Compare it with the paper, group by group`,
  );
}
