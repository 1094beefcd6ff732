// The seam between transports and everything built on them: types only. A protocol is one folder and
// one line in index.ts; end-to-end envelopes pass through as bytes.

import type { Identity } from '../crypto/identity.ts';
import type { FleximError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Channel, Connect } from '../net/channel.ts';
import type { Door } from '../net/door.ts';
import type { Listener, TcpAddress } from '../net/tcp.ts';
import type { Relay } from '../relay/relay.ts';

export interface Protocol {
  readonly name: string;
  readonly defaultPort: number;
  /** Largest envelope that fits. */
  readonly maxEnvelope: number;
  /** Connects and logs in; throws when the first try fails. */
  dial(options: DialOptions): Promise<Link>;
}

/** One with relays: somebody serves, others dial. */
export interface RelayProtocol extends Protocol {
  serve(options: ServeOptions): Promise<Service>;
}

/** Which key a relay had at the last contact. */
export interface Pins {
  get(place: string): string | null;
  /** Pins a key, unless one is pinned already; returns the one that holds. */
  add(place: string, hex: string): Promise<string>;
}

export interface DialOptions {
  readonly host: string;
  readonly port: number;
  readonly identity: Identity;
  /** The key the relay must have, when the address names one; else the pinned one. */
  readonly relayKey?: string | null;
  readonly pins: Pins;
  /** Claimed at the first login of this key, if it is free. */
  readonly alias?: string | null;
  readonly timeoutMs?: number;
  /** Bounds of the growing pauses between tries; null: no reconnecting. */
  readonly reconnect?: { readonly minMs: number; readonly maxMs: number } | null;
  readonly log?: Log;
  /** How a channel comes about: TCP unless it is said. */
  readonly connect?: Connect;
  /** What that way is called in addresses. */
  readonly transport?: string;
  /** A carrier that encrypts may do without, where the server cannot, or nobody knows its key yet. */
  readonly insecurePlaintext?: boolean;
  /** Gives up a first connection under way; afterwards it means nothing. */
  readonly signal?: AbortSignal;
}

/** A user as a directory shows him; `key` is canonical hex, `lastSeen` Unix seconds. */
export interface Person {
  readonly key: string;
  readonly aliases: readonly string[];
  readonly lastSeen: number;
}

export interface RelayInfo {
  readonly name: string;
  readonly key: string;
  readonly host: string;
  readonly port: number;
  /** As in addresses; bare Flexim has none. */
  readonly transport?: string;
  /** The relay's key was seen for the first time and has been pinned. */
  readonly firstContact: boolean;
}

export interface Delivery {
  readonly envelope: Uint8Array;
  /**
   * The envelope is safely stored: the relay may forget it. What was not done comes again. `sender` is the
   * key under which it opened, if it did: to a direct link that is proof.
   */
  done(sender?: string | null): void;
}

/** Event payloads name the recipient as sent, and the number that `send` returned. */
export type LinkEvent =
  | { readonly kind: 'queued' | 'unknown' | 'full'; readonly to: string; readonly n: number }
  /** What was queued is among the first so many deliveries of this link. */
  | { readonly kind: 'caught-up'; readonly deliveries: number }
  | { readonly kind: 'alias-refused'; readonly alias: string; readonly reason: string }
  | { readonly kind: 'up'; readonly relay: RelayInfo; readonly self: Person }
  | { readonly kind: 'down'; readonly error: FleximError; readonly retryMs: number }
  | { readonly kind: 'notice'; readonly code: number; readonly text: string }
  // Of direct links alone.
  /** There is a connection to somebody; his name is the user's own word. `spr`: what he shows now. */
  | {
      readonly kind: 'arrived';
      readonly key: string;
      readonly name: string;
      readonly spr: Uint8Array | null;
    }
  | { readonly kind: 'left'; readonly key: string }
  | { readonly kind: 'presence'; readonly key: string; readonly isHere: boolean }
  /** Of two ways in one, beside a relay: how he is reached now. Not direct any more: what he may lack goes again. */
  | { readonly kind: 'way'; readonly key: string; readonly isDirect: boolean }
  /** Something that was not encrypted, of somebody who cannot. */
  | { readonly kind: 'plain'; readonly name: string; readonly text: string; readonly at: number }
  | { readonly kind: 'trouble'; readonly error: FleximError; readonly key: string | null };

export interface Directory {
  /** By key or alias; null when nobody has it. */
  find(who: string): Promise<Person | null>;
  search(prefix: string): Promise<readonly Person[]>;
  /** A page in alias order behind `after`; an empty one is the end. */
  roster(after?: string): Promise<readonly Person[]>;
  register(alias: string): Promise<Person>;
  unregister(alias: string): Promise<Person>;
}

/** End-to-end prekeys that people leave with a relay, as bytes: docs/protocols/fe1.md §4.5. */
export interface PrekeyDirectory {
  /** Leaves a signed record and one-time records; how many one-time records are held then. */
  publish(spr: Uint8Array, otks: readonly Uint8Array[]): Promise<number>;
  /** Takes a bundle; null when that key has left none. */
  fetch(key: string): Promise<{ readonly spr: Uint8Array; readonly otk: Uint8Array | null } | null>;
  /** The signed record alone; takes nothing. */
  peek(key: string): Promise<Uint8Array | null>;
  /** How many of one's own one-time records are left. */
  count(): Promise<number>;
}

/** The user's own names for people, where a transport keeps them. */
export interface Names {
  /** The key of a name; null when nobody has it. May wait for a first answer from there. */
  find(name: string): Promise<string | null>;
}

export interface SendOptions {
  /** Worth nothing later. */
  readonly live?: boolean;
  /** Whoever gets it answers, by this name: silence means that he did not get it. */
  readonly awaits?: string | null;
}

export interface Place {
  readonly key: string;
  /** What the user calls him; '' if nothing yet. */
  readonly name: string;
  /** HOST:PORT; null: nowhere any more, and he is not to be dialled. */
  readonly at: string | null;
}

export interface Link {
  /**
   * True where nobody keeps anything for others: what is sent to one who did not arrive is an `unknown`,
   * nothing is ever `queued`, and prekeys are what people show when they arrive.
   */
  readonly isDirect: boolean;
  readonly names: Names | null;
  /** Of a direct link: this end itself. */
  readonly relay: RelayInfo;
  readonly self: Person;
  /**
   * Sends and returns the number of this message on this link; numbers go on when it reconnects, so that
   * an event is never taken for that of another message. Throws `not-connected`.
   */
  send(to: string, envelope: Uint8Array, options?: SendOptions): number;
  /**
   * One consumer each; they end when the link is closed. Both are to be taken from: with 1,024
   * deliveries waiting nothing more is read, answers included; with 65,536 events the link breaks.
   */
  events(): AsyncIterableIterator<LinkEvent>;
  deliveries(): AsyncIterableIterator<Delivery>;
  /** Round trip to the relay, in milliseconds. */
  ping(): Promise<number>;
  readonly prekeys: PrekeyDirectory | null;
  /** Of two ways in one: our signed record, which the relay has, for those who are met directly. */
  show?(spr: Uint8Array): void;
  /** Where somebody can be met directly, by the user's own word. */
  know?(place: Place): void;
  /** Of two ways in one: the answer came that somebody owed (`SendOptions.awaits`), by whatever way. */
  answered?(to: string, awaited: string): void;
  readonly directory: Directory | null;
  /** Kept when the link is closed for good: null after `close`, else why. */
  readonly closed: Promise<FleximError | null>;
  close(): Promise<void>;
}

export interface ServeOptions {
  readonly host: string;
  readonly port: number;
  readonly relay: Relay;
  readonly identity: Identity;
  /** Where connections come in; a listener of this process when there is none. */
  readonly door?: Door;
  /** Where strangers are until they have logged in; this process when there is none. */
  readonly lobby?: RemoteLobby;
  /** Further ways in; their strangers are always in this process. */
  readonly others?: readonly Opening[];
}

/** Opens a way in: `accept` gets who comes by it. Throws `port-in-use` or `port-refused`. */
export type Opening = (accept: (channel: Channel) => void) => Promise<Listener>;

/** What a relay knows of a key that somebody shows. */
export interface Known {
  readonly isKnown: boolean;
  readonly lastSeen: number; // 0 for a new one
}

/** A login whose response was right. */
export interface Admission {
  readonly key: string;
  readonly alias: string | null;
  /** Acknowledgements were asked for before it. */
  readonly acks: boolean;
  readonly nonce: string; // '' if none came
}

/** One who has logged in, and what of his channel was read already. */
export interface Entrant {
  readonly channel: Channel;
  readonly early: Buffer;
  readonly admission: Admission;
}

/** A lobby in another process, with a door of its own. */
export interface RemoteLobby {
  /** Throws `port-in-use` or `port-refused`. */
  receive(at: TcpAddress, hall: Hall): Promise<Listener>;
  /** Tells all strangers that the relay stops, and to come back within so many seconds. */
  dismiss(seconds: number): Promise<void>;
  /** One who has entered is gone; `remote` is that of his channel. */
  left(remote: string): void;
}

/** What the lobby needs of the relay. */
export interface Hall {
  /** As it is now. */
  name(): string;
  lookUp(key: string): Known;
  enter(entrant: Entrant): void;
}

export interface Service {
  readonly address: { readonly host: string; readonly port: number };
  /** Accepts no more, tells the clients, lets them take what is theirs, closes. */
  stop(): Promise<void>;
}
