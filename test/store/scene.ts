// Stores that several processes open: children that are stopped and killed at the steps of opening.

import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { isAlive, thisProcess } from '../../src/cli/process.ts';
import { openStore, type Step } from '../../src/store/open.ts';
import { temporaryDirectory } from '../relay.ts';
import { Child } from './children.ts';

export const STEPS: readonly Step[] = ['marked', 'opened', 'claiming', 'claimed'];

type Scene = (directory: string, start: (...stops: Step[]) => Child) => Promise<void>;

/** Children are killed whatever happens. */
export function scene(body: Scene): () => Promise<void> {
  return async () => {
    const directory = temporaryDirectory();
    const children: Child[] = [];
    try {
      await body(directory, (...stops) => {
        const child = new Child('open', directory, stops.join());
        children.push(child);
        return child;
      });
    } finally {
      await Promise.all(children.map((child) => child.kill()));
      rmSync(directory, { recursive: true });
    }
  };
}

export const marker = (directory: string) => join(directory, 'relay.lmdb.open');
export const markerPid = (directory: string) =>
  JSON.parse(readFileSync(marker(directory), 'utf8')).pid;

/** Opens and closes in good order; says who wrote, and whether the store was checked before. */
export async function look(directory: string): Promise<{ pids: number[]; steps: Step[] }> {
  const steps: Step[] = [];
  const onStep = (step: Step) => steps.push(step);
  const store = await openStore(directory, 'relay', { owner: thisProcess(), isAlive, onStep });
  const pids = [...store.bytes('rows').entries()].map(([key]) => key.readUIntBE(2, 6));
  await store.close();
  assert.not(existsSync(marker(directory)));
  return { pids, steps };
}

/** A store that was closed by nobody. */
export async function leaveOpen(start: () => Child): Promise<number> {
  const child = start();
  assert.is(await child.until('ready', 'store-'), 'ready', child.said.join());
  await child.kill();
  return child.pid;
}
