// What becomes of a request whose owner ended before he answered: it may have been done, or not.

import type { Contact } from '../../client/events.ts';
import { FleximError, isFleximError } from '../../lib/errors.ts';
import type { ArgsOf, VerbName } from './verbs.ts';

/**
 * repeat  a second time changes nothing more: it reads, or sets what is set already, or (send) has an id
 * keyed   so, too, when it names the person by key: his name may be another one afterwards
 * never   a second time would not be the same: who asked is told
 */
export const AGAIN: { readonly [N in VerbName]: 'repeat' | 'keyed' | 'never' } = {
  contacts: 'repeat',
  contact: 'repeat',
  resolve: 'repeat', // who was added is there
  add: 'repeat', // and keeps the name that he was given
  place: 'repeat',
  rename: 'keyed', // the old name is nobody's any more
  remove: 'keyed', // nobody to remove: done
  block: 'repeat',
  verify: 'repeat',
  trust: 'keyed', // no changed key to accept, and the new one is there: done
  safety: 'repeat',
  send: 'repeat', // the id was used: nothing happens
  state: 'repeat',
  history: 'repeat',
  unread: 'repeat',
  read: 'repeat', // read stays read, and is told once
  readTo: 'repeat',
  sign: 'never', // what could not be said at once is not said: false
  status: 'repeat',
  find: 'repeat',
  search: 'repeat',
  roster: 'repeat',
  register: 'repeat', // the alias is his: the relay says so again
  unregister: 'never', // somebody else's by now, perhaps
  reconnect: 'repeat',
  goBy: 'repeat',
};

/** A 'keyed' request by the key of the person that it names, as he was before. */
export function byKey<N extends VerbName>(before: Contact, args: ArgsOf<N>): ArgsOf<N> {
  return [before.key, ...(args as readonly unknown[]).slice(1)] as unknown as ArgsOf<N>;
}

/** Whether the failure of a request that was asked again says that the first time had done it. */
export function wasDone(verb: VerbName, before: Contact, error: unknown): boolean {
  if (verb === 'remove') return isFleximError(error, 'contact-unknown');
  return verb === 'trust' && isFleximError(error, 'bad-input') && before.changedTo !== null;
}

export function unanswered(verb: VerbName): FleximError {
  return new FleximError(
    'connection-lost',
    `the process that had the connection ended before it answered '${verb}': see whether it was done`,
  );
}
