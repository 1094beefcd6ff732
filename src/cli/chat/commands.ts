// What a line in the input means: a message, or a command. What begins with / and is no command is never
// sent; // is for a message that begins with a slash.

export interface Command {
  readonly usage: string;
  readonly about: string;
}

export const COMMANDS = {
  help: { usage: '/help', about: 'these commands, and the keys' },
  msg: { usage: '/msg WHO [TEXT]', about: 'go to a conversation, or begin one' },
  verify: { usage: '/verify [yes]', about: 'the safety number; yes: it was the same' },
  trust: { usage: '/trust', about: 'accept the changed key of this person' },
  me: { usage: '/me TEXT', about: 'say what you do' },
  notify: { usage: '/notify TEXT', about: 'send a message marked as urgent' },
  status: { usage: '/status', about: 'the connection, the relay, what waits' },
  transport: { usage: '/transport [WAY]', about: 'how it goes; or go by another way' },
  search: { usage: '/search WORDS', about: 'find here; again: the one before' },
  clear: { usage: '/clear', about: 'empty the screen; nothing is deleted' },
  quit: { usage: '/quit', about: 'leave' },
} as const satisfies Record<string, Command>;

export type Name = keyof typeof COMMANDS;

export type Parsed =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'message'; readonly text: string }
  | { readonly kind: 'command'; readonly name: Name; readonly rest: string }
  | { readonly kind: 'unknown'; readonly why: string };

export function parse(input: string): Parsed {
  if (input.trim() === '') return { kind: 'nothing' };
  if (input.startsWith('//')) return { kind: 'message', text: input.slice(1) };
  if (!input.startsWith('/')) return { kind: 'message', text: input };
  const [, word = '', rest = ''] = /^\/(\S*)\s*([\s\S]*)$/.exec(input) ?? [];
  const name = word.toLowerCase();
  if (Object.hasOwn(COMMANDS, name))
    return { kind: 'command', name: name as Name, rest: rest.trimEnd() };
  const names = Object.keys(COMMANDS).map((each) => `/${each}`);
  return {
    kind: 'unknown',
    why: `not sent: there is no /${word.slice(0, 20)}. There are ${names.join(' ')}; // begins a text with /`,
  };
}

export const HELP: readonly string[] = [
  ...Object.values(COMMANDS).map(({ usage, about }) => `${usage.padEnd(16)} ${about}`),
  '//TEXT           a message that begins with /',
  'Enter sends, Alt-Enter begins a line, Tab completes,',
  'PgUp and PgDn scroll, Alt-1 to Alt-9 change to another,',
  'Ctrl-R finds what was typed before, Ctrl-L draws anew,',
  'Ctrl-Z suspends, Ctrl-C empties the input, Ctrl-D leaves.',
];
