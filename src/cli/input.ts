// Texts on stdin: UTF-8 without NUL, each small enough for one message. What is not is refused whole: a
// message that was mended or cut would be another one.

import { MAX_CONTENT } from '../fe1/constants.ts';
import { FleximError } from '../lib/errors.ts';

/** Bytes of text in a message: what goes with it takes less than the rest. */
export const MAX_TEXT = MAX_CONTENT - 100;

type Input = AsyncIterable<Uint8Array>;

/** All of it, without the line break at the end. */
export async function readText(input: Input): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of input) {
    parts.push(part);
    length += part.length;
    if (length > MAX_TEXT + 2) throw tooLong('what came on stdin', length);
  }
  return textOf(withoutBreak(Buffer.concat(parts)), 'what came on stdin');
}

/** Line by line; empty ones are passed over. */
export async function* readLines(input: Input): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let length = 0;
  let n = 0;
  const finish = () => {
    n++;
    const line = textOf(withoutBreak(Buffer.concat(parts)), `line ${n}`);
    parts = [];
    length = 0;
    return line;
  };
  for await (const chunk of input) {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, at));
      from = at + 1;
      const line = finish();
      if (line !== '') yield line;
    }
    parts.push(chunk.subarray(from));
    length += chunk.length - from;
    if (length > MAX_TEXT + 1) throw tooLong(`line ${n + 1}`, length);
  }
  const line = finish();
  if (line !== '') yield line;
}

/** A text as it may be sent. Throws `content-too-large` and `bad-input`. */
export function checkedText(text: string, what: string): string {
  const length = Buffer.byteLength(text);
  if (length > MAX_TEXT) throw tooLong(what, length);
  if (text.includes('\0')) throw binary(what, 'has a byte 0');
  return text;
}

function textOf(bytes: Buffer, what: string): string {
  if (bytes.length > MAX_TEXT) throw tooLong(what, bytes.length);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return checkedText(text, what);
  } catch (error) {
    throw error instanceof FleximError ? error : binary(what, 'is no UTF-8');
  }
}

function withoutBreak(bytes: Buffer): Buffer {
  let end = bytes.length;
  if (bytes[end - 1] === 10) end--;
  if (bytes[end - 1] === 13) end--;
  return bytes.subarray(0, end);
}

function tooLong(what: string, length: number): FleximError {
  return new FleximError(
    'content-too-large',
    `${what} has ${length.toLocaleString('en')} bytes or more; a message takes ${MAX_TEXT.toLocaleString('en')}. Send it in parts`,
  );
}

function binary(what: string, why: string): FleximError {
  return new FleximError(
    'bad-input',
    `${what} ${why}: messages are texts. Encode it first, for example with base64`,
  );
}
