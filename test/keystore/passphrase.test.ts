// Passphrases from a descriptor and from the keys of a terminal (the terminal itself: by hand).
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LineEditor, newPassphrase, readPassphrase } from '../../src/cli/passphrase.ts';
import { fails, startChild, withFolder } from './tools.ts';

const asking = suite('passphrase: descriptor');

/** Reads from a file with these bytes; gives the passphrase and what is left in the file. */
async function readFrom(folder: string, bytes: string | Uint8Array, ask = readPassphrase) {
  const path = join(folder, 'input');
  writeFileSync(path, bytes);
  const fd = openSync(path, 'r');
  try {
    const text = await ask({ fd, prompt: '' });
    const rest = Buffer.alloc(100);
    return [text, rest.toString('utf8', 0, readSync(fd, rest))];
  } finally {
    closeSync(fd);
  }
}

asking(
  'one line, and not a byte more',
  withFolder(async (folder) => {
    for (const ask of [readPassphrase, newPassphrase]) {
      assert.equal(await readFrom(folder, 'open sesame\nrest', ask), ['open sesame', 'rest']);
      assert.equal(await readFrom(folder, 'open sesame\r\nrest', ask), ['open sesame', 'rest']);
      assert.equal(await readFrom(folder, 'no line break', ask), ['no line break', '']);
      assert.equal(await readFrom(folder, ' ä \n', ask), [' ä ', '']);
    }
    const longest = 'x'.repeat(1024);
    assert.equal(await readFrom(folder, `${longest}\n`), [longest, '']);
  }),
);

asking(
  'nothing, too much, and what is no text are refused',
  withFolder(async (folder) => {
    for (const ask of [readPassphrase, newPassphrase]) {
      for (const none of ['', '\n', '\r\n'])
        await fails(() => readFrom(folder, none, ask), 'passphrase-needed', 'gave no passphrase');
      await fails(() => readFrom(folder, 'x'.repeat(1025), ask), 'bad-input', '1024 bytes');
      await fails(() => readFrom(folder, Uint8Array.of(0xff, 10), ask), 'bad-input', 'UTF-8');
    }
    await fails(() => readPassphrase({ fd: 999, prompt: '' }), 'passphrase-needed', '999', 'EBADF');
  }),
);

asking('from a pipe, as it comes', async () => {
  const child = startChild(['passphrase', '0']);
  child.say('open sesame');
  assert.is(await child.line(), '"open sesame"');
  await child.ended; // although stdin is still open
});

asking('without a terminal the error names --passphrase-fd', async () => {
  const child = startChild(['passphrase'], { detached: true });
  assert.match(await child.line(), /^passphrase-needed .*no terminal.*--passphrase-fd/);
  await child.ended;
});

asking.run();

const typing = suite('passphrase: keys');

/** What is in the line after these bytes, and whether it is finished. */
function typed(bytes: string): [string, boolean] {
  const line = new LineEditor();
  let done = false;
  for (const byte of Buffer.from(bytes)) done = line.type(byte);
  return [line.text(), done];
}

typing('Enter and Ctrl-D end the line', () => {
  for (const end of ['\r', '\n', '\x04']) assert.equal(typed(`abc${end}`), ['abc', true]);
  assert.equal(typed('abc'), ['abc', false]);
  assert.equal(typed('\r'), ['', true]);
});

typing('Backspace takes a whole character, Ctrl-U the line', () => {
  for (const key of ['\x7f', '\b']) {
    assert.equal(typed(`abc${key}`), ['ab', false]);
    assert.equal(typed(`aé€😀${key}`), ['aé€', false]);
    assert.equal(typed(`aé€😀${key}${key}${key}`), ['a', false]);
    assert.equal(typed(`é${key}${key}${key}x`), ['x', false]);
  }
  assert.equal(typed('wrong\x15right'), ['right', false]);
});

typing('arrow and function keys and other controls leave no trace; a tab is text', () => {
  for (const key of ['\x1b[A', '\x1bOP', '\x1b[15~', '\x1b[1;5C', '\x01', '\x1a', '\x1bx', '\0'])
    assert.equal(typed(`a${key}b`), ['ab', false], JSON.stringify(key));
  assert.equal(typed('a\tb'), ['a\tb', false]);
  assert.equal(typed('a\x1b\r'), ['a', true]);
  assert.equal(typed('a\x1b[\r'), ['a', true]);
  assert.equal(typed('a\x1b[\x15bc'), ['bc', false]);
});

typing('Ctrl-C gives up, in whatever state', async () => {
  for (const before of ['', 'abc', '\x1b', '\x1b['])
    await fails(() => typed(`${before}\x03`), 'passphrase-needed', 'cancelled');
});

typing('too long a line is refused, not cut', async () => {
  assert.is(typed('x'.repeat(1024))[0].length, 1024);
  await fails(() => typed('x'.repeat(5000)), 'bad-input', '1024 bytes');
});

typing.run();
