// Stores: where the relay's lies, and how opening one is told to people.

import { join, resolve } from 'node:path';
import { privateDirectory } from '../keystore/directory.ts';
import { shellWord } from '../keystore/owner.ts';
import type { Watch } from '../store/check.ts';
import type { Opening } from '../store/open.ts';
import { dataHome } from './places.ts';
import { isAlive, thisProcess } from './process.ts';

export const STORE_NAME = 'relay';
const NEWS_MS = 3_000;

/** `named` is what --data says. */
export function storeDirectory(named: string | null): string {
  return named ?? privateDirectory(join(dataHome(process.env), 'flexim', 'relay'));
}

/** `remedy` is the command that saves what can be read of a damaged store: by default the relay's. */
export function opening(
  directory: string,
  watch: Watch,
  remedy = `flexim-relay db recover --data ${shellWord(resolve(directory))}`,
): Opening {
  return { owner: thisProcess(), isAlive, remedy, watch };
}

/** Says what a check does: when it begins, every few seconds, and what it found. */
export function checkNews(say: (text: string, fields: object) => void): Watch {
  let began = 0;
  let told = 0;
  return {
    begun: (store) => {
      began = told = performance.now();
      say('checking the store: it was not closed cleanly', { store });
    },
    progress: ({ what, done, total }) => {
      if (performance.now() - told < NEWS_MS) return;
      told = performance.now();
      const [n, all] = [done, Math.max(done, total)].map((each) => each.toLocaleString('en'));
      say(`checking the store: ${n} of about ${all} ${what}`, {});
    },
    sound: ({ tables }) => {
      const rows = Object.values(tables).reduce((sum, table) => sum + table.rows, 0);
      say('the store is sound', { rows, ms: Math.round(performance.now() - began) });
    },
  };
}

/** Tells only how far it is: for who asked for the check. */
export function progressNews(say: (text: string) => void): Watch {
  let isBeginning = false;
  const news = checkNews((text) => {
    if (!isBeginning) say(text);
  });
  const begun = (store: string) => {
    isBeginning = true;
    news.begun(store);
    isBeginning = false;
  };
  return { ...news, begun, sound: () => {} };
}
