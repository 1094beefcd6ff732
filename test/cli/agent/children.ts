// Processes of one profile (child.mjs), which can be told to send, killed, and begun again.

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { until } from '../../scene.ts';
import type { World } from './world.ts';

export type Role = 'chat' | 'bot';

export interface Said {
  readonly said: string;
  readonly id?: string;
  readonly body?: unknown;
  readonly code?: string;
}

export interface Letter {
  readonly who: string;
  readonly body: string;
  readonly id: string;
}

export class Member {
  readonly role: Role;
  readonly #world: World;
  #process: ChildProcess;
  said: Said[] = [];
  /** What it was told to send and has not confirmed: a new process is told again. */
  readonly unsent = new Map<string, Letter>();
  isOver = false;
  stderr = '';

  constructor(world: World, role: Role) {
    this.role = role;
    this.#world = world;
    this.#process = this.#begin();
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get isOpen(): boolean {
    return this.said.some(({ said }) => said === 'open');
  }

  heard(kind: string): number {
    return this.said.filter(({ said }) => said === kind).length;
  }

  send(letter: Letter): void {
    this.unsent.set(letter.id, letter);
    this.#write(letter);
  }

  /** Dies at once, and begins anew. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await until(() => this.isOver, 'dead');
    this.#process = this.#begin();
    for (const letter of this.unsent.values()) this.#write(letter);
  }

  /** Closes as a command does that is done. */
  async leave(): Promise<void> {
    this.#process.stdin?.end();
    await until(() => this.isOver, 'gone');
  }

  async end(): Promise<void> {
    this.#process.kill('SIGKILL');
    await until(() => this.isOver, 'gone');
  }

  #write(letter: Letter): void {
    this.#process.stdin?.write(`${JSON.stringify(letter)}\n`);
  }

  #begin(): ChildProcess {
    const script = join(import.meta.dirname, 'child.mjs');
    const task = JSON.stringify({ role: this.role, settings: this.#world.settings() });
    const child = spawn(process.execPath, [script, task], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.said = [];
    this.isOver = false;
    child.stdin.on('error', () => {}); // it may be dead
    child.stderr.on('data', (bytes) => {
      this.stderr += bytes;
    });
    createInterface({ input: child.stdout }).on('line', (line) => this.#hear(JSON.parse(line)));
    child.on('close', () => {
      this.isOver = true;
    });
    return child;
  }

  #hear(said: Said): void {
    this.said.push(said);
    if (said.said === 'sent') this.unsent.delete(said.id as string);
  }
}
