// flexim keygen, restore, paper: how an identity begins, and its way back from paper.

import { createInterface } from 'node:readline/promises';
import { identityFromSeed } from '../../crypto/identity.ts';
import { wipe } from '../../crypto/sodium.ts';
import type { KeyContent } from '../../keystore/keyfile.ts';
import { type Keys, newContent } from '../../keystore/keys.ts';
import { decodePaper, encodePaper } from '../../keystore/paper.ts';
import { FleximError } from '../../lib/errors.ts';
import type { Common, Context, KEYGEN, RESTORE } from '../command.ts';
import { newPassphrase } from '../passphrase.ts';
import { loadKey, openKeys, print, tell } from '../profile.ts';

type Making = Context<typeof RESTORE>;

const MAX_PAPER_INPUT = 1_024;

export async function keygen({ settings, args }: Context<typeof KEYGEN>): Promise<void> {
  const keys = openKeys(settings);
  const content = newContent(nameOf(args.name, settings));
  await make(keys, content, settings);
  if (settings.paper) printPaper(content.seed, settings.json);
  else tell('No backup yet. Print one with: flexim paper');
}

export async function restore({ settings, args }: Making): Promise<void> {
  const keys = openKeys(settings);
  const name = nameOf(args.name, settings);
  const seed = decodePaper(await readPaper());
  // A new store key: what the lost store holds stays closed, and is never continued.
  await make(keys, { ...newContent(name), seed }, settings);
}

export async function paper({ settings }: Context): Promise<void> {
  const { content } = await loadKey(openKeys(settings), settings);
  printPaper(content.seed, settings.json);
  wipe(content.seed, content.storeKey);
}

function nameOf(given: string | undefined, settings: Common): string {
  const name = given ?? settings.as;
  if (name) return name;
  throw new FleximError('usage', 'which name? Example: flexim keygen alice');
}

async function make(keys: Keys, content: KeyContent, settings: Making['settings']): Promise<void> {
  const fd = settings['passphrase-fd'] ?? undefined;
  const locked = settings.passphrase || fd !== undefined;
  const passphrase = locked
    ? await newPassphrase({ fd, prompt: `New passphrase of ${content.label}: ` })
    : null;
  const path = await keys.create(content.label, content, passphrase);
  const { hex } = identityFromSeed(content.seed);
  if (settings.json) print(JSON.stringify({ name: content.label, key: hex, path, locked }));
  else print(hex);
  tell(`${content.label} is in ${path}${locked ? ', locked with your passphrase' : ''}.`);
  if (!locked) tell('Whoever can read that file is you. To lock it, use --passphrase.');
}

/** To stdout, alone, so that it can be piped to a printer and never reaches a log by accident. */
function printPaper(seed: Uint8Array, json: boolean): void {
  const code = encodePaper(seed);
  tell('Write this down and keep it where you keep what is precious. It is the whole identity:');
  print(json ? JSON.stringify({ paper: code }) : code);
  tell('To bring it back: flexim restore NAME. Message history is not in it.');
}

/** One line from a person, or all of stdin: never from the arguments, which others can read. */
async function readPaper(): Promise<string> {
  if (process.stdin.isTTY) {
    const lines = createInterface({ input: process.stdin, output: process.stderr, historySize: 0 });
    try {
      return await lines.question('Paper backup (14 groups of 4), shown as you type: ');
    } catch {
      tell('');
      throw new FleximError('paper-invalid', 'it was cancelled; nothing was changed');
    } finally {
      lines.close();
    }
  }
  let text = '';
  for await (const chunk of process.stdin.setEncoding('latin1')) {
    text += chunk;
    if (text.length > MAX_PAPER_INPUT)
      throw new FleximError('paper-invalid', 'that is much longer than a paper backup');
  }
  return text;
}
