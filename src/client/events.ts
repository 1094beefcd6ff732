// What a messenger tells its user, and how people and messages look from outside.

import type { Sign } from '../fe1/content.ts';
import type { FleximError } from '../lib/errors.ts';
import type { RelayInfo } from '../protocols/protocol.ts';
import type { DeliveryState } from './records.ts';

export interface Contact {
  readonly key: string;
  /** '' for somebody who wrote first and was given no name yet. */
  readonly name: string;
  readonly alias: string | null;
  readonly added: boolean;
  readonly firstSeen: number;
  /** The safety numbers were compared. */
  readonly verified: boolean;
  readonly blocked: boolean;
  /** The key that the relay now names for the alias: nothing is sent until it was accepted. */
  readonly changedTo: string | null;
  /** Where he can be met without a relay, HOST:PORT, as the user said; '' not any more. */
  readonly at?: string;
  readonly unread: number;
  /** The place (`order`) of the oldest unread message. */
  readonly firstUnread: number | null;
}

export interface Message {
  readonly id: string;
  /** Its place; ascending in time of arrival and sending. */
  readonly order: number;
  readonly peer: string;
  readonly outgoing: boolean;
  /** Null for one that came. */
  readonly state: DeliveryState | null;
  /** By our clock, and what the sender says; Unix seconds. */
  readonly at: number;
  readonly date: number;
  readonly flags: readonly string[];
  /** What was sent; of a chat a text. As it came: not yet fit for a terminal. */
  readonly body: unknown;
}

export type MessengerEvent =
  | { readonly kind: 'message'; readonly message: Message }
  | {
      readonly kind: 'state';
      readonly id: string;
      readonly peer: string;
      readonly state: DeliveryState;
    }
  | { readonly kind: 'sign'; readonly peer: string; readonly sign: Sign }
  /** Beside a relay: what is for him goes straight to him from now on, or by the relay again. */
  | { readonly kind: 'way'; readonly peer: string; readonly isDirect: boolean }
  /** Something that was not encrypted, which no history keeps. As it came: not fit for a terminal. */
  | { readonly kind: 'plain'; readonly name: string; readonly text: string; readonly at: number }
  /** Somebody wrote for the first time, or the relay names another key for a contact's alias. */
  | { readonly kind: 'contact-new' | 'contact-changed'; readonly key: string }
  | { readonly kind: 'up'; readonly relay: RelayInfo }
  /** What the relay had kept for us has been taken: for this connection nothing older comes. */
  | { readonly kind: 'caught-up' }
  /** `retryMs` null: it stays down until `reconnect`. */
  | { readonly kind: 'down'; readonly error: FleximError; readonly retryMs: number | null }
  /** Nothing is lost; `peer` is whom it concerns. */
  | { readonly kind: 'warning'; readonly error: FleximError; readonly peer: string | null }
  /** So many events were passed over because nobody took them; the history has what they told. */
  | { readonly kind: 'missed'; readonly count: number };
