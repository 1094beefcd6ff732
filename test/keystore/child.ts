// The other process of the keystore tests: does the task its arguments name, says so on stdout, and
// waits for a line on stdin where the task has to stop.
import { appendFileSync, linkSync, readSync, writeSync } from 'node:fs';
import { readPassphrase } from '../../src/cli/passphrase.ts';
import { findKeysDirectory } from '../../src/keystore/directory.ts';
import { Keys, newContent } from '../../src/keystore/keys.ts';
import { ourUid } from '../../src/keystore/owner.ts';
import { Pins } from '../../src/keystore/pins.ts';
import { FleximError } from '../../src/lib/errors.ts';

const say = (text: string) => writeSync(1, `${text}\n`);

/** Blocks, as a signal must find us in the middle of a call. */
function wait(): void {
  const byte = new Uint8Array(1);
  while (readSync(0, byte) === 1 && byte[0] !== 0x0a);
}

const tasks: Record<string, (...args: string[]) => unknown> = {
  /** Makes a key; stops when it is whole on disk and has all but its name. */
  create: async (directory = '', name = '') => {
    const link: typeof linkSync = (from, to) => {
      say('written');
      wait();
      linkSync(from, to);
    };
    const made = newContent(name);
    await new Keys(directory).create(name, made, null, { link });
    say(`made ${Buffer.from(made.seed).toString('hex')}`);
  },
  relayKey: async (directory = '') => {
    say('ready');
    wait();
    const key = await new Keys(directory).relayKey();
    say(`${key.made} ${Buffer.from(key.content.seed).toString('hex')}`);
  },
  /** Adds places of its own and ones that others add too, and says which key each has. */
  addPins: async (path = '', mine = '', count = '') => {
    const pins = new Pins(path);
    say('ready');
    wait();
    const got = [];
    for (let i = 0; i < Number(count); i++) {
      await pins.add(`${mine}${i}:1`, mine.repeat(64));
      got.push((await pins.add(`shared${i}:1`, mine.repeat(64)))[0]);
    }
    say(got.join(''));
  },
  replacePins: (path = '', mine = '', count = '') => {
    const pins = new Pins(path);
    say('ready');
    wait();
    for (let i = 0; i < Number(count); i++) pins.replace('moved:1', mine.repeat(64));
    say('done');
  },
  /** The second half of a line. */
  append: (path = '', text = '') => {
    say('ready');
    wait();
    appendFileSync(path, text);
  },
  uid: () => say(String(ourUid())),
  named: (flag = '') => say(findKeysDirectory({ flag, cwd: '/', dataHome: '/' }).why),
  load: async (directory = '', name = '') => {
    await new Keys(directory).load(name, async () => null);
    say('loaded');
  },
  passphrase: async (fd = '') => {
    const text = await readPassphrase({ prompt: '? ', ...(fd && { fd: Number(fd) }) });
    say(JSON.stringify(text));
  },
};

const [task = '', ...args] = process.argv.slice(2);
try {
  await tasks[task]?.(...args);
} catch (error) {
  if (!(error instanceof FleximError)) throw error;
  say(`${error.code} ${error.message}`);
}
