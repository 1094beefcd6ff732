// What the chat screen shows and what its user can do: the seam between the screen and the messenger.
// All texts and names are raw here; the screen makes them presentable.

export type Trust = 'unverified' | 'verified' | 'changed';
export type State = 'queued' | 'accepted' | 'delivered' | 'read' | 'failed';

export interface Conversation {
  readonly id: string;
  readonly name: string;
  readonly trust: Trust;
  readonly unread: number;
  /** The oldest entry that was not seen; null: none. */
  readonly firstUnread: string | null;
  /** Whether something urgent is among the unread. */
  readonly urgent: boolean;
  readonly presence: 'typing' | 'here' | 'away' | null; // null: not told
}

export interface Entry {
  readonly id: string; // unlike all others of the conversation
  readonly from: 'me' | 'peer' | 'system';
  readonly text: string;
  readonly at: number; // milliseconds since 1970
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
}

export interface Verification {
  readonly number: string; // twelve groups of five digits
  readonly qr: readonly string[]; // lines of half blocks; empty: none
}

/** Oldest first; new entries come at the end only, whatever their date. */
export interface Chat {
  readonly me: string;
  conversations(): readonly Conversation[];
  connection(): Connection;
  /** Up to `count` entries directly before the entry, or the newest ones with null. */
  before(conversation: string, entry: string | null, count: number): readonly Entry[];
  /** Up to `count` entries directly after the entry. */
  after(conversation: string, entry: string, count: number): readonly Entry[];
  /** Entries with the words in them, newest first, at most `count`. */
  search(conversation: string, words: string, count: number): readonly Entry[];
  /** Calls back after each change, until the function it gives is called. */
  onChange(changed: (change: Change) => void): () => void;

  // What may fail throws a FleximError, whose message the screen shows.
  /** Takes a message into the outbox; resolves when it is kept. */
  send(conversation: string, message: Outgoing): Promise<void>;
  /** The conversation with a name, key or address, begun if need be. */
  open(who: string): Promise<string>;
  /** The user has seen all entries up to this one. */
  seen(conversation: string, entry: string): void;
  /** The user types, or stopped. */
  typing(conversation: string, typing: boolean): void;
  verification(conversation: string): Promise<Verification>;
  /** The user compared the number: it was the same. */
  verified(conversation: string): Promise<void>;
  /** Accepts the changed key. */
  trust(conversation: string): Promise<void>;
  /** What /status says, a line each. */
  status(): Promise<readonly string[]>;
}

export interface Outgoing {
  readonly text: string;
  readonly notify: boolean;
  readonly action: boolean;
}

/** entry: one came (at the end); state: one changed; else what `conversations` or `connection` say. */
export type Change =
  | { readonly kind: 'entry' | 'state'; readonly conversation: string; readonly entry: Entry }
  | { readonly kind: 'conversations' | 'connection' };
