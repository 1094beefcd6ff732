// Results on stdout, each waited for until the system has it: what was not written was not shown.

import { printableJson } from '../lib/text.ts';

/** Fails with EPIPE when nobody reads any more; exit.ts takes that for the quiet end that it is. */
export function write(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(`${text}\n`, (error) => (error ? reject(error) : resolve()));
  });
}

/** One object a line, safe to look at on a terminal. */
export function writeJson(value: object): Promise<void> {
  return write(printableJson(value));
}
