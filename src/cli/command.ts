// What every flexim command shares: its context, and the tables of options.

import type { Options, Settings } from './options.ts';

export const COMMON = {
  as: { type: 'string', about: 'name of the key to use, where there are several' },
  keys: { type: 'string', about: 'directory of the keys' },
  data: { type: 'string', about: 'directory of the rest: which key each relay had' },
  relay: {
    type: 'string',
    about: 'the relay: HOST, HOST:PORT or a flexim:// address',
    default: '127.0.0.1:4321',
  },
  'passphrase-fd': {
    type: 'number',
    about: 'read the passphrase from this file descriptor: `3` with 3<FILE',
    flagOnly: true,
  },
  json: { type: 'boolean', about: 'write JSON for programs', default: false, flagOnly: true },
} as const satisfies Options;

export type Common = Settings<typeof COMMON>;

export interface Context<O extends Options = Record<never, never>> {
  readonly settings: Common & Settings<O>;
  /** Positional arguments by name. */
  readonly args: Readonly<Record<string, string | undefined>>;
}

export const KEYGEN = {
  passphrase: { type: 'boolean', about: 'lock the key file with a passphrase', default: false },
  paper: { type: 'boolean', about: 'print the paper backup too', default: false },
} as const satisfies Options;
export const RESTORE = { passphrase: KEYGEN.passphrase } as const satisfies Options;
export const PING = {
  count: { type: 'number', about: 'how many round trips', default: 3, min: 1, max: 1_000 },
  alias: {
    type: 'boolean',
    about: "claim the key's name as alias at the first login; --no-alias leaves it",
    default: true,
  },
} as const satisfies Options;
export const CHAT = {
  inline: {
    type: 'boolean',
    about: "write into the terminal's own scrollback, without a full screen",
    default: false,
  },
  plain: {
    type: 'boolean',
    about: 'lines and words only; by itself without a terminal, and with TERM=dumb',
    default: false,
  },
  'read-receipts': {
    type: 'boolean',
    about: 'tell people when their messages were read',
    default: false,
  },
  presence: {
    type: 'boolean',
    about: 'tell contacts that you are here, and that you type',
    default: false,
  },
} as const satisfies Options;
