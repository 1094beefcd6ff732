// Processes of one profile (child.mjs), which can be told to send, killed, and begun again.

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { World } from './world.ts';

const PATIENCE_MS = 60_000; // for what must come; only a failure waits so long
const POLL_MS = 5;

/** Waits until it holds, and leaves the processor to those who make it so. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`never: ${what}`);
    await sleep(POLL_MS);
  }
}

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

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
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

/** Members that are gone when the test ends; what they said is shown when it fails. */
export async function withMembers(
  world: World,
  roles: readonly Role[],
  body: (members: readonly Member[]) => Promise<void>,
): Promise<void> {
  const members = roles.map((role) => new Member(world, role));
  try {
    await until(() => members.every(({ isOpen }) => isOpen), 'all open');
    await body(members);
  } catch (error) {
    for (const { said, stderr } of members)
      console.error(JSON.stringify(said.slice(-20)), stderr.slice(-2_000));
    throw error;
  } finally {
    await Promise.all(members.map((member) => member.end()));
  }
}

/** What was said on both sides is there, each once, with bob and with alice. */
export async function settled(world: World, said: readonly string[], asked: readonly string[]) {
  const got = () => world.bob.got({ key: world.key } as typeof world.bob).map(String);
  const wanted = [...said, ...asked.map((each) => `re: ${each}`)].sort();
  await until(() => {
    void world.bob.me.tick();
    return got().length >= wanted.length;
  }, `${wanted.length} messages`);
  await until(() => world.bob.me.status.unsettled === 0, 'receipts');
  assert.equal(got().sort(), wanted);
  const agent = await world.open();
  const all = await agent.ask('history', world.bob.key, { limit: Number.POSITIVE_INFINITY });
  const bodies = (isOut: boolean) =>
    all.flatMap(({ outgoing, body }) => (outgoing === isOut ? [String(body)] : [])).sort();
  assert.equal([bodies(true), bodies(false)], [wanted, [...asked].sort()]);
  await agent.close();
}
