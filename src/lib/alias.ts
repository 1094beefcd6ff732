// Names that people claim on a relay: docs/protocols/flexim.md §8. Also the rule for key labels.

import { FleximError } from './errors.ts';

export const MAX_ALIAS_CHARACTERS = 32;
const ALLOWED = /^[\p{L}\p{M}\p{Nd}._-]+$/u;
const CONFUSABLE = [/\p{Script=Latin}/u, /\p{Script=Greek}/u, /\p{Script=Cyrillic}/u];

/** The form under which two aliases are the same. Throws `alias-invalid` for what is no alias. */
export function foldAlias(alias: string): string {
  const problem = aliasProblem(alias);
  if (problem) throw new FleximError('alias-invalid', `not an alias: ${problem}`);
  return fold(alias);
}

/** What is wrong with an alias, in words, or null. */
export function aliasProblem(alias: string): string | null {
  // The length first: NFKC of many marks in a row takes time that grows with their number squared.
  const problem = formProblem(alias);
  if (problem) return problem;
  const folded = fold(alias);
  const foldedProblem = formProblem(folded);
  if (foldedProblem) return foldedProblem;
  const scripts = CONFUSABLE.filter((script) => script.test(folded)).length;
  return scripts > 1 ? 'Latin, Greek and Cyrillic letters are not mixed' : null;
}

function formProblem(form: string): string | null {
  const characters = [...form].length;
  if (characters < 1 || characters > MAX_ALIAS_CHARACTERS)
    return `it has ${characters} characters, 1 to ${MAX_ALIAS_CHARACTERS} are allowed`;
  return ALLOWED.test(form) ? null : 'only letters, digits and . _ - are allowed';
}

function fold(alias: string): string {
  return alias.normalize('NFKC').toLowerCase().normalize('NFKC');
}
