// Texts on stdin, in any cut; what is no text, or too long for a message, is refused whole.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkedText, MAX_TEXT, readLines, readText } from '../../src/cli/input.ts';
import { MAX_CONTENT } from '../../src/fe1/constants.ts';
import { encodeContent } from '../../src/fe1/content.ts';
import { FleximError } from '../../src/lib/errors.ts';

const test = suite('cli: input');

async function* cut(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function lines(text: string | Uint8Array, size = 3): Promise<string[]> {
  const found: string[] = [];
  for await (const line of readLines(cut(Buffer.from(text), size))) found.push(line);
  return found;
}

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof FleximError)) throw error ?? new Error('it was taken');
  return `${error.code}: ${error.message}`;
}

test('lines in every cut; empty ones are passed over', async () => {
  const text = 'one\n\n zwei ü €\r\nthree\n\n';
  for (let size = 1; size < text.length + 4; size++) {
    assert.equal(await lines(text, size), ['one', ' zwei ü €', 'three']);
    assert.equal(await lines(`${text}end`, size), ['one', ' zwei ü €', 'three', 'end']);
  }
  assert.equal(await lines(''), []);
});

test('a whole text keeps its lines, without the break at the end', async () => {
  const read = (text: string) => readText(cut(Buffer.from(text), 2));
  assert.is(await read('done\n'), 'done');
  assert.is(await read('a\r\nb\r\n'), 'a\r\nb');
  assert.is(await read('a\n\n'), 'a\n');
  assert.is(await read(''), '');
});

test('binary is refused, and said where it is', async () => {
  const binary = Buffer.from([0x68, 0x69, 10, 0xff, 0xfe, 10]);
  assert.match(await refusal(lines(binary)), /^bad-input: line 2 is no UTF-8.*base64/);
  assert.match(await refusal(lines('a\0b\n')), /^bad-input: line 1 has a byte 0/);
  assert.match(
    await refusal(readText(cut(binary, 1))),
    /^bad-input: what came on stdin is no UTF-8/,
  );
});

test('the longest text fits a message with its flags; one byte more is refused', async () => {
  const longest = 'x'.repeat(MAX_TEXT);
  const message = { id: new Uint8Array(16), date: 2 ** 40, flags: ['NOTIFY'], msg: longest };
  assert.ok(encodeContent({ kind: 'message', message }).content.length <= MAX_CONTENT);
  assert.is(checkedText(longest, 'it'), longest);
  assert.equal(await lines(`${longest}\r\na\n`, 9_999), [longest, 'a']);
  assert.is(await readText(cut(Buffer.from(`${longest}\r\n`), 9_999)), longest);
  for (const text of [`${longest}x`, `${longest}x\n`, `a\n${longest}x\n`])
    assert.match(await refusal(lines(text, 9_999)), /^content-too-large: line [12] has .*in parts/);
  assert.match(await refusal(readText(cut(Buffer.from(`${longest}xyz`), 9_999))), /^content-too/);
});

test('what never ends is not gathered', async () => {
  let given = 0;
  async function* endless() {
    for (;;) {
      given += 1_000;
      yield new Uint8Array(1_000).fill(0x78);
    }
  }
  assert.match(await refusal(readText(endless())), /^content-too-large/);
  assert.match(await refusal(readLines(endless()).next()), /^content-too-large: line 1/);
  assert.ok(given < 4 * MAX_TEXT);
});

test.run();
