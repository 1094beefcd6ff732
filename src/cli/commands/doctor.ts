// flexim doctor: what keeps this identity from talking, one line for each thing that could. It changes
// nothing; with --recover it mends a damaged store.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { identityFromSeed } from '../../crypto/identity.ts';
import type { LoadedKey } from '../../keystore/keys.ts';
import { Pins } from '../../keystore/pins.ts';
import { hostAndPort } from '../../lib/address.ts';
import { presentable } from '../../lib/text.ts';
import { recoverStore } from '../../store/recover.ts';
import type { Agent } from '../agent/agent.ts';
import { openAgent } from '../agent/open.ts';
import { RECOVER, STORE_NAME } from '../agent/owner.ts';
import type { Context, DOCTOR } from '../command.ts';
import { type Check, Findings, fault, faultOf, ok, skipped } from '../doctor/finding.ts';
import { clockFinding, lookAtLogin, lookAtWay } from '../doctor/relay.ts';
import { lookAtStore, ownerOf, storePlace } from '../doctor/store.ts';
import { EXIT } from '../exit.ts';
import { write, writeJson } from '../output.ts';
import { dataHome } from '../places.ts';
import { chosenRelay, loadKey, openKeys, PINS, tell } from '../profile.ts';
import { salvageLines } from '../salvage.ts';
import { opening, progressNews } from '../store.ts';

const WORDS = { ok: 'ok', fault: 'fault', skipped: 'not looked at' } as const;

type Settings = Context<typeof DOCTOR>['settings'];

export async function doctor({ settings }: Context<typeof DOCTOR>): Promise<void> {
  if (settings.recover) return recover(settings);
  const found = new Findings();
  await examine(found, settings);
  const list = found.list();
  const width = Math.max(...list.map(([check]) => check.length));
  for (const [check, { state, code, what }] of list)
    if (settings.json) await writeJson({ check, state, code, what });
    else
      await write(
        `${WORDS[state].padEnd(13)}  ${check.padEnd(width)}  ${what}${code ? ` [${code}]` : ''}`,
      );
  const first = list.find(([, { state }]) => state === 'fault')?.[1];
  if (first?.code) process.exitCode = EXIT[first.code];
}

async function examine(found: Findings, settings: Settings): Promise<void> {
  const key = await loadedKey(found, settings);
  const identity = key && identityFromSeed(key.content.seed);
  const directory = storePlace(settings, identity?.hex ?? '');
  const chosen = noted(found, 'relay address', () => chosenRelay(settings, directory));
  const address = chosen?.address;
  const usedLast = chosen?.why === 'remembered' ? ', used last' : '';
  if (address) found.note('relay address', ok(`${hostAndPort(address)}${usedLast}`));
  const isThere = address && (await lookAtWay(found, { address, timeoutMs: settings.timeout }));
  if (!key || !identity) return;
  const owner = ownerOf(directory);
  const store = await lookAtStore(directory, key.content.storeKey, tell).catch((error) => ({
    ...{ finding: faultOf(error), install: null },
  }));
  found.note('store', store.finding);
  if (!address || !isThere) return;
  // A login of our own would take the connection away from whoever has it.
  if (owner) return lookAtOwner(found, settings, owner.pid);
  const pins = existsSync(dirname(directory)) ? new Pins(join(dirname(directory), PINS)) : null;
  await lookAtLogin(found, {
    ...{ address, timeoutMs: settings.timeout, identity, pins, install: store.install },
    alias: key.content.label || key.name,
    insecurePlaintext: settings['insecure-plaintext'],
  });
}

/** Without making the directory. */
async function loadedKey(found: Findings, settings: Settings): Promise<LoadedKey | null> {
  const places = settings.keys === null ? ['keys', defaultKeys()] : [settings.keys];
  if (!places.some((place) => existsSync(place))) {
    found.note('key', fault('key-missing', 'there is no key yet. Make one: flexim keygen NAME'));
    return null;
  }
  try {
    const key = await loadKey(openKeys(settings), settings);
    found.note('key', ok(`${presentable(key.name)} in ${key.path}`));
    return key;
  } catch (error) {
    found.note('key', faultOf(error));
    return null;
  }
}

/** By what the process says that is connected. */
async function lookAtOwner(found: Findings, settings: Settings, pid: number): Promise<void> {
  let agent: Agent;
  try {
    agent = await openAgent(settings);
  } catch (error) {
    faultOf(error);
    return found.note(
      'login',
      skipped(`process ${pid} has the connection, and does not tell of it`),
    );
  }
  try {
    const { relay, trouble, published, clockAhead } = await agent.ask('status');
    if (!relay) {
      const what = trouble ? fault(trouble.code, presentable(trouble.message)) : null;
      return found.note('login', what ?? skipped(`process ${pid} is just connecting`));
    }
    found.note('relay key', ok(`${relay.key}, as expected`));
    found.note('login', ok(`at ${presentable(relay.name)}, by process ${pid}`));
    found.note('prekeys', published ? ok('at the relay') : skipped('they are on their way'));
    if (clockAhead !== null) found.note('clock', clockFinding(clockAhead));
  } finally {
    await agent.close();
  }
}

async function recover(settings: Settings): Promise<void> {
  const { content } = await loadKey(openKeys(settings), settings);
  const directory = storePlace(settings, identityFromSeed(content.seed).hex);
  if (!existsSync(join(directory, `${STORE_NAME}.lmdb`)))
    return tell('there is no store of this identity yet, so there is nothing to repair');
  const result = await recoverStore(directory, STORE_NAME, {
    ...opening(directory, progressNews(tell), RECOVER),
    now: new Date(),
  });
  const { finding } = await lookAtStore(directory, content.storeKey, tell);
  if (settings.json) {
    const { path, damage, kept, notes, tables } = result;
    const state = { state: finding.state, code: finding.code };
    await writeJson({ path, damage, kept, notes, tables: Object.fromEntries(tables), ...state });
  } else {
    const lines = result.damage === null ? ['nothing was changed'] : salvageLines(result);
    for (const line of [...lines, finding.what]) await write(line);
  }
  if (finding.code) process.exitCode = EXIT[finding.code];
}

/** Null, and noted, when it fails as expected. */
function noted<T>(found: Findings, check: Check, work: () => T): T | null {
  try {
    return work();
  } catch (error) {
    found.note(check, faultOf(error));
    return null;
  }
}

function defaultKeys(): string {
  return join(dataHome(process.env), 'flexim', 'keys');
}
