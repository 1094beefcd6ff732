// Passphrases from people and scripts: the controlling terminal with its echo off, or a descriptor
// (--passphrase-fd). Never from arguments or the environment, where other processes see them, and
// never from stdin by itself, which carries messages. Nothing that was typed is ever shown or logged.

import { closeSync, openSync, read, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ReadStream } from 'node:tty';
import { promisify } from 'node:util';
import { wipe } from '../crypto/sodium.ts';
import { FleximError, systemCode } from '../lib/errors.ts';

const MAX_BYTES = 1024;
const TRIES = 3;
const EAGAIN_MS = 10;
const readFd = promisify(read);

export interface Asking {
  readonly fd?: number | undefined; // --passphrase-fd
  readonly prompt: string;
}

/** The passphrase of a key that exists. Throws `passphrase-needed` when there is nobody to ask. */
export async function readPassphrase({ fd, prompt }: Asking): Promise<string> {
  if (fd !== undefined) return readDescriptor(fd);
  return withTerminal((terminal) => terminal.ask(prompt));
}

/** The passphrase for a new key: asked for twice on a terminal, and never empty. */
export async function newPassphrase({ fd, prompt }: Asking): Promise<string> {
  if (fd !== undefined) return readDescriptor(fd);
  return withTerminal(async (terminal) => {
    for (let tries = 0; tries < TRIES; tries++) {
      const first = await terminal.ask(prompt);
      if (first === '') {
        terminal.say('A passphrase must not be empty.\n');
        continue;
      }
      if ((await terminal.ask('The same again: ')) === first) return first;
      terminal.say('The two are not the same. Try again.\n');
    }
    throw new FleximError(
      'passphrase-wrong',
      `no new passphrase was given twice alike in ${TRIES} attempts; nothing was changed`,
    );
  });
}

/** One line, byte by byte: what follows on the descriptor is somebody else's. */
async function readDescriptor(fd: number): Promise<string> {
  const line = new Uint8Array(MAX_BYTES + 1);
  let length = 0;
  try {
    while (length <= MAX_BYTES && (await readByte(fd, line, length)) && line[length] !== 0x0a)
      length++;
    if (length > 0 && line[length - 1] === 0x0d && line[length] === 0x0a) length--;
    if (length === 0) throw needed(`descriptor ${fd} gave no passphrase`);
    return decodeLine(line.subarray(0, length));
  } finally {
    wipe(line);
  }
}

async function readByte(fd: number, into: Uint8Array, at: number): Promise<boolean> {
  for (;;) {
    try {
      return (await readFd(fd, into, at, 1, null)).bytesRead === 1;
    } catch (error) {
      const code = systemCode(error);
      if (code === 'EOF') return false; // Windows
      if (code !== 'EAGAIN')
        throw needed(`descriptor ${fd} cannot be read (${code ?? 'no such descriptor'})`, error);
      await sleep(EAGAIN_MS); // a pipe or terminal that another process made non-blocking
    }
  }
}

async function withTerminal<T>(use: (terminal: Terminal) => Promise<T>): Promise<T> {
  const terminal = new Terminal();
  try {
    return await use(terminal);
  } finally {
    terminal.close();
  }
}

/** /dev/tty, opened anew, so that stdin and stdout stay free for data. */
class Terminal {
  readonly #input: ReadStream;
  readonly #output: number;
  #unread = new Uint8Array(0); // typed ahead of the next question
  #wake: (() => void) | null = null;
  #ended = false;

  constructor() {
    try {
      this.#output = openSync('/dev/tty', 'w');
      this.#input = new ReadStream(openSync('/dev/tty', 'r'));
    } catch (error) {
      throw needed('there is no terminal to ask for it', error);
    }
    const wake = () => this.#wake?.();
    this.#input.on('data', (bytes: Buffer) => {
      const unread = new Uint8Array(this.#unread.length + bytes.length);
      unread.set(this.#unread);
      unread.set(bytes, this.#unread.length);
      wipe(this.#unread, bytes);
      this.#unread = unread;
      wake();
    });
    for (const event of ['end', 'error', 'close'])
      this.#input.on(event, () => {
        this.#ended = true;
        wake();
      });
    this.#input.setRawMode(true);
  }

  async ask(prompt: string): Promise<string> {
    this.say(prompt);
    const line = new LineEditor();
    try {
      while (!this.#feed(line)) {
        if (this.#ended) throw needed('the terminal was closed');
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      return line.text();
    } finally {
      line.wipe();
      this.say('\n');
    }
  }

  say(text: string): void {
    try {
      writeSync(this.#output, text);
    } catch {
      // a terminal that is gone: reading says so
    }
  }

  close(): void {
    wipe(this.#unread);
    this.#input.setRawMode(false);
    this.#input.destroy();
    closeSync(this.#output);
  }

  #feed(line: LineEditor): boolean {
    let at = 0;
    let done = false;
    while (at < this.#unread.length && !done) done = line.type(this.#unread[at++] ?? 0);
    const rest = this.#unread.slice(at);
    wipe(this.#unread);
    this.#unread = rest;
    return done;
  }
}

/** What the keys of a terminal in raw mode do to a line that nobody sees. */
export class LineEditor {
  readonly #bytes = new Uint8Array(MAX_BYTES + 1);
  #length = 0;
  #escape: 'none' | 'begun' | 'sequence' = 'none';

  /** Takes a byte; true when the line is finished. Ctrl-C throws. */
  type(byte: number): boolean {
    if (this.#inEscape(byte)) return false;
    switch (byte) {
      case 0x03: // Ctrl-C
        throw needed('it was cancelled');
      case 0x04: // Ctrl-D
      case 0x0a:
      case 0x0d:
        return true;
      case 0x08:
      case 0x7f:
        this.#erase();
        return false;
      case 0x15: // Ctrl-U
        this.wipe();
        return false;
    }
    // Other control characters would be invisible parts of a passphrase; a pasted tab is meant.
    if ((byte >= 0x20 || byte === 0x09) && this.#length <= MAX_BYTES)
      this.#bytes[this.#length++] = byte;
    return false;
  }

  text(): string {
    return decodeLine(this.#bytes.subarray(0, this.#length));
  }

  wipe(): void {
    wipe(this.#bytes);
    this.#length = 0;
  }

  /** Arrow and function keys send ESC [ … letter, which must not end up in the passphrase. */
  #inEscape(byte: number): boolean {
    const was = this.#escape;
    if (was === 'none') this.#escape = byte === 0x1b ? 'begun' : 'none';
    else if (was === 'begun') this.#escape = byte === 0x5b || byte === 0x4f ? 'sequence' : 'none';
    else if (byte >= 0x40 && byte <= 0x7e) this.#escape = 'none';
    if (was !== 'none' && byte < 0x20) this.#escape = 'none';
    return (was !== 'none' && byte >= 0x20) || byte === 0x1b;
  }

  /** A whole UTF-8 character: its continuation bytes, then the one that leads. */
  #erase(): void {
    let more = this.#length > 0;
    while (more) {
      this.#length--;
      more = this.#length > 0 && ((this.#bytes[this.#length] ?? 0) & 0xc0) === 0x80;
      this.#bytes[this.#length] = 0;
    }
  }
}

function decodeLine(bytes: Uint8Array): string {
  if (bytes.length > MAX_BYTES)
    throw new FleximError('bad-input', `a passphrase has at most ${MAX_BYTES} bytes`);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new FleximError('bad-input', 'the passphrase is not valid UTF-8');
  }
}

function needed(why: string, cause?: unknown): FleximError {
  return new FleximError(
    'passphrase-needed',
    `a passphrase is needed: ${why}. Scripts give it with --passphrase-fd N`,
    cause,
  );
}
