// The address book: what its lines mean, and that nothing of a file is ever lost.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ErrorCode, isFleximError } from '../../../src/lib/errors.ts';
import { Book, type Friend, readPlace } from '../../../src/protocols/enclave/book.ts';
import { BookFile } from '../../../src/protocols/enclave/file.ts';
import { temporaryDirectory } from '../../relay.ts';

const test = suite('enclave: address book');
const KEY = 'ab'.repeat(32);
const friend = (name: string, part: Partial<Friend> = {}): Friend => ({
  ...{ name, host: 'example.org', port: 7776, key: null, isPlain: false, isBlocked: false },
  ...part,
});
const fails = (work: () => unknown, code: ErrorCode) =>
  assert.throws(work, (error: unknown) => isFleximError(error, code));

const TEXT = `# my friends

bob 10.0.0.7
carol [::1]:9 ${KEY} blocked
dave   example.org:0   plain
`;

test('a line is a friend; remarks and empty lines are none', () => {
  const book = Book.parse(TEXT);
  assert.equal(book.damage, []);
  assert.equal(book.friends, [
    friend('bob', { host: '10.0.0.7' }),
    friend('carol', { host: '::1', port: 9, key: KEY, isBlocked: true }),
    friend('dave', { port: 0, isPlain: true }),
  ]);
  assert.is(book.named('BOB')?.name, 'bob');
  assert.is(book.withKey(KEY)?.name, 'carol');
});

test('a text comes back as it was, whatever is in it', () => {
  assert.is(Book.parse(TEXT).format(), TEXT);
  fc.assert(
    fc.property(fc.array(fc.string().filter((line) => !line.includes('\n'))), (lines) => {
      const text = lines.map((line) => `${line}\n`).join('');
      assert.is(Book.parse(text).format(), text);
    }),
  );
});

test('damaged lines are named with what is wrong, stay, and cost nobody else his', () => {
  const text = [
    ...['bob 10.0.0.7', 'b/b 10.0.0.7', 'eve', 'eve host:99999', 'eve a/b', 'eve host nonsense'],
    ...['bob 10.0.0.8', `carol h ${KEY}`, `dave h ${KEY}`, 'erin h plain blocked', ''],
  ].join('\n');
  const book = Book.parse(text);
  assert.equal(
    book.damage.map(({ line }) => line),
    [2, 3, 4, 5, 6, 7, 9],
  );
  assert.equal(
    book.friends.map(({ name }) => name),
    ['bob', 'carol', 'erin'],
  );
  const changed = book.add(friend('frank')).change('bob', { isPlain: true }).remove('erin');
  for (const { line } of book.damage)
    assert.ok(changed.format().includes(`${text.split('\n')[line - 1]}\n`), `line ${line}`);
  assert.equal(
    changed.friends.map(({ name }) => name),
    ['bob', 'carol', 'frank'],
  );
});

test('changes give another book; what cannot be read again is refused', () => {
  const book = Book.parse('bob 10.0.0.7\n');
  assert.is(
    book.add(friend('eve', { host: '::1', port: 0, key: KEY })).format(),
    `bob 10.0.0.7\neve [::1]:0 ${KEY}\n`,
  );
  assert.is(
    book.change('bob', { key: KEY, isBlocked: true }).format(),
    `bob 10.0.0.7:7776 ${KEY} blocked\n`,
  );
  assert.is(book.format(), 'bob 10.0.0.7\n');
  fails(() => book.add(friend('BOB')), 'contact-exists');
  fails(() => book.add(friend('a b')), 'alias-invalid');
  fails(() => book.add(friend('eve', { host: 'a b' })), 'bad-address');
  fails(() => book.change('eve', {}), 'contact-unknown');
  fails(() => book.remove('eve'), 'contact-unknown');
  const two = book.add(friend('eve', { key: KEY }));
  fails(() => two.change('bob', { key: KEY }), 'contact-exists');
});

test('places', () => {
  assert.equal(readPlace('h'), { host: 'h', port: 7776 });
  assert.equal(readPlace('h:1'), { host: 'h', port: 1 });
  assert.equal(readPlace('h:0'), { host: 'h', port: 0 });
  assert.equal(readPlace('[::1]'), { host: '::1', port: 7776 });
  assert.equal(readPlace('[::1]:0'), { host: '::1', port: 0 });
  for (const text of ['', ':1', 'h:', 'h:70000', '::1', 'h/', 'h?relay=x', 'flexim://h', 'a b'])
    assert.type(readPlace(text), 'string', text);
});

function inDirectory(body: (path: string) => void): () => void {
  return () => {
    const directory = temporaryDirectory();
    try {
      body(join(directory, 'book'));
    } finally {
      rmSync(directory, { recursive: true });
    }
  };
}

test(
  'a file: absent is empty, changes are on the disk, another reader sees them',
  inDirectory((path) => {
    const [one, two] = [new BookFile(path), new BookFile(path)];
    one.refresh();
    assert.equal(one.book.friends, []);
    one.update((book) => book.add(friend('bob')));
    assert.is(readFileSync(path, 'utf8'), 'bob example.org:7776\n');
    assert.ok(two.refresh());
    assert.not.ok(two.refresh(), 'nothing new');
    two.update((book) => book.add(friend('eve')));
    one.update((book) => book.change('bob', { isBlocked: true }));
    assert.is(readFileSync(path, 'utf8'), 'bob example.org:7776 blocked\neve example.org:7776\n');
    assert.not.ok(existsSync(`${path}.lock`));
  }),
);

test(
  'a change that fails changes nothing, and leaves no lock',
  inDirectory((path) => {
    const file = new BookFile(path);
    file.update((book) => book.add(friend('bob')));
    fails(() => file.update((book) => book.add(friend('bob'))), 'contact-exists');
    assert.is(readFileSync(path, 'utf8'), 'bob example.org:7776\n');
    writeFileSync(`${path}.lock`, '');
    fails(() => file.update((book) => book.add(friend('eve'))), 'store-busy');
    assert.ok(existsSync(`${path}.lock`), "another's");
  }),
);

test(
  'damage is an error for each line; what is no file of ours is refused',
  inDirectory((path) => {
    writeFileSync(path, 'bob 10.0.0.7\n\0\0\0\n', { mode: 0o600 });
    const file = new BookFile(path);
    file.refresh();
    const [trouble, ...more] = file.troubles;
    assert.is(trouble?.code, 'book-damaged');
    assert.ok(trouble?.message.includes(`${path}, line 2`));
    assert.equal(more, []);
    chmodSync(path, 0o666);
    fails(() => new BookFile(path).refresh(), 'config-invalid');
    rmSync(path);
    mkdirSync(path);
    fails(() => new BookFile(path).refresh(), 'config-invalid');
    rmSync(path, { recursive: true });
    symlinkSync('/dev/zero', path);
    fails(() => new BookFile(path).refresh(), 'store-unusable');
  }),
);

test.run();
