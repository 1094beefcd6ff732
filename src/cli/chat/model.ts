// What the chat screen shows and what its user can do: the seam between the screen and the messenger.
// All texts and names are raw here; the screen makes them presentable.

export type Trust = 'unverified' | 'verified' | 'changed';
export type State = 'queued' | 'accepted' | 'delivered' | 'read' | 'failed';

export interface Conversation {
  readonly id: string;
  readonly name: string;
  readonly trust: Trust;
  /** Somebody who wrote first and was not answered yet. */
  readonly isRequest: boolean;
  readonly unread: number;
  /** The oldest entry that was not seen; null: none. */
  readonly firstUnread: string | null;
  /** Whether something urgent is among the unread. */
  readonly urgent: boolean;
  /** Beside a relay: what is for him goes straight to him. */
  readonly isStraight: boolean;
  readonly presence: 'typing' | 'here' | 'away' | null; // null: not told
}

export interface Entry {
  readonly id: string; // unlike all others of the conversation
  readonly from: 'me' | 'peer' | 'system';
  readonly text: string;
  readonly at: number; // milliseconds since 1970
  /** When the peer says that he wrote it, if that was at another time; null else. */
  readonly written: number | null;
  /** Of entries from me; null else. */
  readonly state: State | null;
  readonly notify: boolean;
  /** Said with /me. */
  readonly action: boolean;
}

export interface Connection {
  readonly state: 'offline' | 'connecting' | 'online';
  /** How: 'flexim over tcp, 127.0.0.1:4321'; shown as it is. */
  readonly transport: string;
  /** Why there is none, and what to do; null: nothing to say. */
  readonly why: string | null;
}

export interface Verification {
  readonly number: string; // twelve groups of five digits
  readonly qr: readonly string[]; // lines of half blocks; empty: none
}

/** Part of a timeline; `pending`: more of it is being read, and a change `loaded` says when it is there. */
export interface Part {
  readonly entries: readonly Entry[];
  readonly pending: boolean;
}

/** Oldest first; new entries come at the end only, whatever their date. */
export interface Chat {
  readonly me: string;
  conversations(): readonly Conversation[];
  connection(): Connection;
  /** Up to `count` entries directly before the entry, or the newest ones with null. */
  before(conversation: string, entry: string | null, count: number): Part;
  /** Up to `count` entries directly after the entry. */
  after(conversation: string, entry: string, count: number): Part;
  /** Calls back after each change, until the function it gives is called. */
  onChange(changed: (change: Change) => void): () => void;

  // What may fail throws a FleximError, whose message the screen shows.
  /** Entries with the words in them, newest first, at most `count`. */
  search(conversation: string, words: string, count: number): Promise<readonly Entry[]>;
  /** Takes a message into the outbox; resolves when it is kept. */
  send(conversation: string, message: Outgoing): Promise<void>;
  /** The conversation with a name, key or address, begun if need be. */
  open(who: string): Promise<string>;
  /** The user has seen all entries up to this one. */
  seen(conversation: string, entry: string): void;
  /** The user types, or stopped. */
  typing(conversation: string, typing: boolean): void;
  /** Of the changed key, when it has changed. */
  verification(conversation: string): Promise<Verification>;
  /** The user compared the number: it was the same. Gives the conversation that goes on. */
  verified(conversation: string): Promise<string>;
  /** Accepts the changed key. Gives the conversation that goes on. */
  trust(conversation: string): Promise<string>;
  /** The way that was chosen, or with a name: goes on by that one. Gives its name; null: no choice. */
  transport(name: string | null): Promise<string | null>;
  /** What /status says, a line each. */
  status(): Promise<readonly string[]>;
}

export interface Outgoing {
  readonly text: string;
  readonly notify: boolean;
  readonly action: boolean;
}

/**
 * entry: one came (at the end); state: one changed; loaded: more of a timeline can be read; over: the
 * messenger broke, and nothing works any more; else what `conversations` or `connection` say.
 */
export type Change =
  | { readonly kind: 'entry' | 'state'; readonly conversation: string; readonly entry: Entry }
  | { readonly kind: 'loaded'; readonly conversation: string }
  | { readonly kind: 'conversations' | 'connection' }
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'over'; readonly error: unknown };
