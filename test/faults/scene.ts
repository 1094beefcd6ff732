// A store in a process of its own on a disk that fails, for one test.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { temporaryDirectory } from '../relay.ts';
import { Faults } from './faults.ts';
import { type Api, type Said, StoreProcess } from './process.ts';

export const ROOT = join(import.meta.dirname, '..', '..');
export const APIS = ['transaction', 'batch'] as const satisfies readonly Api[];

export interface Scene {
  readonly faults: Faults;
  readonly directory: string;
  readonly child: StoreProcess;
  put(api: Api, key: string): Promise<Said>;
  /** The value under a key, which is the key itself, or null. */
  get(api: Api, key: string): Promise<string | null>;
  /** The next process on that directory, as after a crash. */
  restarted(): Promise<Scene>;
}

export interface SceneOptions {
  /** Where the src/ to use lies. */
  readonly root?: string;
  /** Whether the store is opened before the scene begins. */
  readonly opened?: boolean;
}

export async function withScene(
  body: (scene: Scene) => Promise<void>,
  { root = ROOT, opened = true }: SceneOptions = {},
): Promise<void> {
  const faults = new Faults();
  const directory = join(temporaryDirectory(), 'store');
  mkdirSync(directory, { mode: 0o700 });
  const children: StoreProcess[] = [];
  const start = async (opens: boolean): Promise<Scene> => {
    const child = new StoreProcess(root, faults.env(directory));
    children.push(child);
    if (opens) done(await child.ask({ do: 'open', directory }));
    return {
      faults,
      directory,
      child,
      put: (api, key) => child.ask({ do: 'put', api, key, value: key }),
      get: async (api, key) => done(await child.ask({ do: 'get', api, key })),
      restarted: async () => {
        await child.kill();
        return start(true);
      },
    };
  };
  try {
    await body(await start(opened));
  } finally {
    await Promise.all(children.map((each) => each.kill()));
    faults.remove();
    rmSync(join(directory, '..'), { recursive: true });
  }
}

/** The value of what went well. */
export function done({ value, error }: Said): string | null {
  assert.is(error, undefined, `${error?.code} ${error?.message}`);
  return value ?? null;
}

/** Checks an expected failure. */
export function failed({ error }: Said, code: string, words: RegExp): void {
  assert.is(error?.name, 'FleximError', `${error?.code} ${error?.message}`);
  assert.is(error?.code, code, error?.message);
  assert.match(error?.message ?? '', words);
}
