// Paper backups: docs/protocols/fe1.md §16.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodePaper, encodePaper } from '../../src/keystore/paper.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { FleximError } from '../../src/lib/errors.ts';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const seed = new Uint8Array(32).fill(0xa1);
const PAPER = 'M6GT-38D1-M6GT-38D1-M6GT-38D1-M6GT-38D1-M6GT-38D1-M6GT-38D1-M6GY-N8WF';
const random = Uint8Array.from({ length: 32 }, (_, i) => (i * 73 + 11) & 0xff);

function refusal(text: string): string {
  try {
    decodePaper(text);
  } catch (error) {
    assert.ok(error instanceof FleximError && error.code === 'paper-invalid', String(error));
    return (error as Error).message;
  }
  return 'accepted';
}

const paper = suite('paper');

paper('gives the text of the specification, and reads it', () => {
  assert.is(encodePaper(seed), PAPER);
  assert.is(toHex(decodePaper(PAPER)), toHex(seed));
});

paper('every seed comes back', () => {
  for (const one of [random, new Uint8Array(32), new Uint8Array(32).fill(0xff)])
    assert.is(toHex(decodePaper(encodePaper(one))), toHex(one));
  assert.throws(() => encodePaper(new Uint8Array(31)), /32 bytes/);
});

paper('case, spaces, line breaks, hyphens and dashes do not matter; O is 0, I and L are 1', () => {
  const bare = PAPER.replaceAll('-', '');
  const forms = [
    bare,
    PAPER.toLowerCase(),
    ` ${PAPER.replaceAll('-', '  ')}\r\n`,
    PAPER.replaceAll('-', '\n'),
    PAPER.replaceAll('-', '\u2013'),
    PAPER.replaceAll('-', '\u00a0'),
    PAPER.replaceAll('1', 'I'),
    PAPER.replaceAll('1', 'l'),
    PAPER.replaceAll('1', 'L').toLowerCase(),
  ];
  for (const form of forms) assert.is(toHex(decodePaper(form)), toHex(seed), form);
  const zeros = encodePaper(new Uint8Array(32));
  for (const letter of ['O', 'o'])
    assert.is(toHex(decodePaper(zeros.replaceAll('0', letter))), '00'.repeat(32));
});

paper('every wrong character is caught: 56 places, 31 others', () => {
  const bare = encodePaper(random).replaceAll('-', '');
  let caught = 0;
  for (let at = 0; at < bare.length; at++)
    for (const other of ALPHABET) {
      if (other === bare[at]) continue;
      const message = refusal(bare.slice(0, at) + other + bare.slice(at + 1));
      assert.match(message, /checksum does not match/, `place ${at}, ${other}`);
      caught++;
    }
  assert.is(caught, 56 * 31);
});

paper('two neighbours in the wrong order are caught', () => {
  const bare = encodePaper(random).replaceAll('-', '');
  for (let at = 0; at + 1 < bare.length; at++) {
    if (bare[at] === bare[at + 1]) continue;
    const swapped = bare.slice(0, at) + bare[at + 1] + bare[at] + bare.slice(at + 2);
    assert.match(refusal(swapped), /checksum/);
  }
});

paper('says what is wrong', () => {
  assert.match(refusal(''), /0 characters, 56 are needed/);
  assert.match(refusal(PAPER.slice(0, -1)), /55 characters, 56 are needed/);
  assert.match(refusal(`${PAPER}0`), /57 characters, 56 are needed/);
  for (const stranger of ['U', 'u', '!', '\u0131', '\u017f', '\u{1f600}', '\0']) {
    const text = `${PAPER.slice(0, 6)}${stranger}${PAPER.slice(7)}`;
    assert.match(refusal(text), /character 6, in group 2, is none/, stranger);
  }
});

paper('never repeats what was typed', () => {
  const bare = PAPER.replaceAll('-', '');
  for (const text of [PAPER.slice(1), `${PAPER}Z`, `?${PAPER.slice(1)}`, `Z${PAPER.slice(1)}`]) {
    const message = refusal(text);
    for (let at = 0; at + 3 <= bare.length; at++)
      assert.not.ok(message.includes(bare.slice(at, at + 3)), message);
    assert.not.ok(message.includes('?'), message);
  }
});

paper.run();
