// A pseudo terminal for the programs: a shell in a tmux of its own, typed at and looked at.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Home, program } from './program.ts';

const POLL_MS = 20;
const PATIENCE_MS = 60_000; // a machine may be slow; a test never waits so long for what is there
let servers = 0;

export class Terminal {
  readonly #home: Home;
  readonly #server = `flexim-test-${process.pid}-${servers++}`;

  constructor(home: Home) {
    this.#home = home;
    mkdirSync(home.file('tmux'), { recursive: true, mode: 0o700 });
    const flexim = `flexim() { '${process.execPath}' '${program('flexim')}' "$@"; }`;
    const shell = ['-x', '200', '-y', '60', '-c', home.path, 'env', 'PS1=> ', 'sh'];
    this.#tmux('-f', '/dev/null', 'new-session', '-d', ...shell);
    this.type(`${flexim}\r`);
  }

  /** Types text as it is; \r is Enter, \x03 Ctrl-C. */
  type(text: string): void {
    this.#tmux('send-keys', '-t', '0', '-l', text);
  }

  /** Empties the screen, so that nothing on it is of an earlier command. */
  async clear(): Promise<void> {
    this.type('clear\r');
    await this.until(/^>\s*$/);
  }

  /** What the screen shows, without spaces at the ends of lines. */
  screen(): string {
    return this.#tmux('capture-pane', '-p', '-t', '0');
  }

  /** Gives the terminal another size. */
  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-t', '0', '-x', String(columns), '-y', String(rows));
  }

  /** Waits until the screen shows it, and gives the match. */
  async until(words: RegExp): Promise<RegExpExecArray> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const screen = this.screen();
      const match = words.exec(screen);
      if (match) return match;
      if (performance.now() > end) throw new Error(`${words} does not appear:\n${screen}`);
      await sleep(POLL_MS);
    }
  }

  /** The process that the shell waits for. */
  foreground(): number {
    const shell = this.#tmux('display-message', '-p', '-t', '0', '#{pane_pid}').trim();
    return Number(execFileSync('ps', ['-o', 'pid=', '--ppid', shell], { encoding: 'utf8' }));
  }

  close(): void {
    this.#tmux('kill-server');
  }

  #tmux(...args: string[]): string {
    return execFileSync('tmux', ['-L', this.#server, ...args], {
      encoding: 'utf8',
      env: {
        ...this.#home.env,
        TMUX_TMPDIR: this.#home.file('tmux'),
        TERM: 'xterm',
        LC_ALL: 'C.UTF-8',
      },
    });
  }
}

/** Runs a test with a terminal that is closed whatever happens. */
export async function withTerminal(
  home: Home,
  test: (terminal: Terminal) => Promise<void>,
): Promise<void> {
  const terminal = new Terminal(home);
  try {
    await test(terminal);
  } finally {
    terminal.close();
  }
}
