// The address book on the disk: read again when it was changed, by whomever; written whole, under a lock,
// over what it holds by then. A damaged line is told and stays where it is.

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { FleximError, systemCode } from '../../lib/errors.ts';
import { Book } from './book.ts';

const MAX_BOOK = 1 << 20;
const O_NOFOLLOW = constants.O_NOFOLLOW ?? 0;
const OTHERS_WRITE = 0o022;

export class BookFile {
  readonly path: string;
  #book = Book.empty;
  #seen = ''; // of the file that #book was read from

  constructor(path: string) {
    this.path = path;
  }

  /** As it was read last. */
  get book(): Book {
    return this.#book;
  }

  /** Reads it if it has changed; whether it had. Throws `config-invalid` for a file that is none of ours. */
  refresh(): boolean {
    const mark = this.#mark();
    if (mark === this.#seen) return false;
    this.#book = Book.parse(this.#read());
    this.#seen = mark;
    return true;
  }

  /** The damaged lines of what was read last, each an error of its own. */
  get troubles(): FleximError[] {
    return this.#book.damage.map(
      ({ line, why }) =>
        new FleximError(
          'book-damaged',
          `${this.path}, line ${line}: ${why}. The line is kept and means nobody; correct it`,
        ),
    );
  }

  /** Changes what the file holds now. Throws what the change throws, `store-busy`, `store-unusable`. */
  update(change: (book: Book) => Book): Book {
    const lock = this.#lock();
    let isRenamed = false;
    try {
      this.refresh();
      const changed = change(this.#book);
      if (changed === this.#book) return changed;
      writeFileSync(lock, changed.format());
      fsyncSync(lock);
      renameSync(this.#lockPath, this.path);
      isRenamed = true;
      this.#book = changed;
      this.#seen = this.#mark();
      return changed;
    } catch (error) {
      throw error instanceof FleximError ? error : this.#unusable(error);
    } finally {
      closeSync(lock);
      if (!isRenamed) rmSync(this.#lockPath, { force: true });
    }
  }

  #mark(): string {
    const stat = statSync(this.path, { throwIfNoEntry: false });
    return stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : 'none';
  }

  #read(): string {
    let fd: number;
    try {
      fd = openSync(this.path, constants.O_RDONLY | O_NOFOLLOW);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return '';
      throw this.#unusable(error);
    }
    try {
      const stat = fstatSync(fd);
      const bad = (why: string) => new FleximError('config-invalid', `${this.path} ${why}`);
      if (!stat.isFile() || stat.size > MAX_BOOK) throw bad('is no address book; move it away');
      if ((stat.mode & OTHERS_WRITE) !== 0)
        throw bad('can be changed by other users: chmod 600 it, and look at its lines');
      return readFileSync(fd, 'utf8');
    } finally {
      closeSync(fd);
    }
  }

  get #lockPath(): string {
    return `${this.path}.lock`;
  }

  /** The new file is the lock as well: two who change the book cannot undo each other's change. */
  #lock(): number {
    try {
      return openSync(this.#lockPath, 'wx', 0o600);
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw this.#unusable(error);
      throw new FleximError(
        'store-busy',
        `another flexim is changing ${this.path}. Try again; if none runs, one was killed: ` +
          `remove ${this.#lockPath}`,
      );
    }
  }

  #unusable(error: unknown): FleximError {
    const why = systemCode(error) ?? (error instanceof Error ? error.message : '');
    return new FleximError(
      'store-unusable',
      `the address book ${this.path} cannot be used: ${why}`,
      error,
    );
  }
}
