// What every flexim command shares: its context, and the tables of options.

import { DEFAULT_SCHEME, SCHEMES } from '../protocols/commstream/schemes.ts';
import type { Options, Settings } from './options.ts';
import { RELAY_TRANSPORTS, WAY_NAMES } from './transports.ts';

export const COMMON = {
  as: { type: 'string', about: 'name of the key to use, where there are several' },
  keys: { type: 'string', about: 'directory of the keys' },
  data: { type: 'string', about: 'directory of the rest: messages, and which key each relay had' },
  relay: {
    type: 'string',
    about:
      'the relay: HOST, HOST:PORT or a flexim:// address; else the one used last, else 127.0.0.1:4321',
  },
  transport: {
    type: 'string',
    about: 'the way to the relay: bare flexim, or commstream, which hides all but sizes',
    choices: [...RELAY_TRANSPORTS, 'auto'],
  },
  'insecure-plaintext': {
    type: 'boolean',
    about: 'let commstream do without encryption, at relays whose key is not known yet',
    default: false,
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

const TIMEOUT = {
  type: 'duration',
  about: 'how long to wait for the relay, such as 500ms or 2m',
  default: 15_000,
} as const;
/** Of a command that asks the relay. */
export const ONLINE = { timeout: TIMEOUT } as const satisfies Options;
/** Of an Enclave node. */
const LISTEN = {
  type: 'string',
  about:
    'Enclave: where this node listens, HOST:PORT; other machines reach it only if HOST says so',
  default: '127.0.0.1:7776',
} as const;
/** Of what goes by any way. */
const WAY = {
  transport: {
    type: 'string',
    about:
      'the way: through a relay (flexim, or commstream, which hides all but sizes), from node to node (enclave), ' +
      'or auto: straight to whoever can be met, and else by the relay',
    choices: WAY_NAMES,
  },
  listen: LISTEN,
} as const satisfies Options;
export const SEND = {
  ...WAY,
  wait: {
    type: 'string',
    about: 'until the relay has it safely, or until its reader has it',
    choices: ['accepted', 'delivered'],
    default: 'accepted',
  },
  timeout: { ...TIMEOUT, about: 'how long to wait for that; what is over then is kept' },
  lines: {
    type: 'boolean',
    about: 'send each line of stdin as a message; empty ones are passed over',
    default: false,
    flagOnly: true,
  },
  notify: { type: 'boolean', about: 'mark it as urgent', default: false, flagOnly: true },
} as const satisfies Options;
export const RECEIVE = {
  ...WAY,
  follow: { type: 'boolean', about: 'go on with what comes', default: false, flagOnly: true },
  from: { type: 'string', about: 'only what this person wrote', flagOnly: true },
  'ack-stdin': {
    type: 'boolean',
    about: 'for bots: a message counts as read when its id comes back, a line on stdin',
    default: false,
    flagOnly: true,
  },
  timeout: TIMEOUT,
} as const satisfies Options;
export const VERIFY = {
  yes: {
    type: 'boolean',
    about: 'note that the numbers are the same',
    flagOnly: true,
    default: false,
  },
  no: { type: 'boolean', about: 'take that back', flagOnly: true, default: false },
} as const satisfies Options;
export const TRUST = {
  compared: {
    type: 'boolean',
    about: 'the safety number of the new key was compared, and is the same',
    flagOnly: true,
    default: false,
  },
} as const satisfies Options;
export const HISTORY = {
  search: { type: 'string', about: 'only messages with these words in them', flagOnly: true },
  limit: { type: 'number', about: 'the newest so many', default: 50, min: 1, max: 10_000_000 },
} as const satisfies Options;
export const DOCTOR = {
  recover: {
    type: 'boolean',
    about: 'repair a damaged store: what can be read goes into a new one, the old one is kept',
    flagOnly: true,
    default: false,
  },
  timeout: TIMEOUT,
} as const satisfies Options;
export const COMMSTREAM = {
  // A text, since --listen of other commands is one.
  listen: { type: 'string', about: 'wait for others at this port; 0: a free one', flagOnly: true },
  host: { type: 'string', about: 'address to listen on', default: '127.0.0.1', flagOnly: true },
  scheme: {
    type: 'string',
    about: 'the encryption that is wished for',
    choices: SCHEMES.filter((each) => each !== 'plain'),
    default: DEFAULT_SCHEME,
    flagOnly: true,
  },
} as const satisfies Options;
export const ENCLAVE = {
  listen: LISTEN,
  strangers: {
    type: 'string',
    about: 'what becomes of nodes that are not in the address book; ask, if there is a terminal',
    choices: ['ask', 'refuse', 'accept'],
  },
  note: { type: 'string', about: 'what friends see beside your status', default: '', max: 200 },
} as const satisfies Options;
export const ADD = {
  ...ONLINE,
  at: {
    type: 'string',
    about: 'where he can be met without a relay: HOST:PORT of his Enclave node; none forgets it',
    flagOnly: true,
  },
} as const satisfies Options;
export const OFF = {
  off: { type: 'boolean', about: 'take that back', default: false, flagOnly: true },
} as const satisfies Options;
export const CHAT = {
  ...WAY,
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
