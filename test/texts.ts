// Texts of any characters. fast-check's own unit 'binary' makes tables of all of them first, which takes a second.

import fc from 'fast-check';

const between = (min: number, max: number) =>
  fc.integer({ min, max }).map((code) => String.fromCodePoint(code));

/** Any but lone surrogates; each plane of Unicode, and ASCII, often enough. */
export const anyPoint = fc.oneof(
  between(0, 0x7f),
  between(0x80, 0xd7ff),
  between(0xe000, 0xffff),
  between(0x10000, 0x1ffff),
  between(0x20000, 0x10ffff),
);

export const anyText = (limits: { minLength?: number; maxLength?: number } = {}) =>
  fc.array(anyPoint, limits).map((points) => points.join(''));
