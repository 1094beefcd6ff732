// The two one-way queues between a node and its frontend: what each may hold. docs/protocols/enclave.md §8.

import type { FleximError } from '../../lib/errors.ts';
import type { More } from './wire.ts';

/** A friend as a frontend shows him. Texts are as they came: not yet fit for a terminal. */
export interface FriendView {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly key: string | null;
  /** Something opened under that key, on a connection that is there now. */
  readonly isProven: boolean;
  readonly isPlain: boolean;
  readonly isBlocked: boolean;
  /** What he calls himself; '' if he was not heard yet. */
  readonly alias: string;
  /** 0 is offline, 1 available, 2 away, 3 busy; others are as good as 1. */
  readonly status: number;
  readonly note: string;
}

/** Somebody who came and is in no line of the book. He waits, unread, for an `answer`. */
export interface Stranger {
  readonly id: number;
  readonly host: string;
  readonly alias: string;
  readonly key: string | null;
}

export type NodeEvent =
  | { readonly kind: 'listening'; readonly host: string; readonly port: number }
  /** Anything about a friend changed. */
  | { readonly kind: 'friend'; readonly friend: FriendView }
  | { readonly kind: 'removed'; readonly name: string }
  /** Not encrypted. `at` is what he says, Unix seconds. */
  | {
      readonly kind: 'message';
      readonly name: string;
      readonly text: string;
      readonly at: number | null;
      readonly more: More;
    }
  | {
      readonly kind: 'envelope';
      readonly envelope: Uint8Array;
      /** Says under which key it opened. */
      readonly opened: (key: string) => void;
    }
  | { readonly kind: 'stranger'; readonly stranger: Stranger }
  /** He does not wait any more. */
  | { readonly kind: 'stranger-gone'; readonly id: number }
  /** The first key that a friend showed; it is in the book now. */
  | { readonly kind: 'first-key'; readonly name: string; readonly key: string }
  /** There is a new connection to somebody who encrypts, or his prekeys changed. */
  | { readonly kind: 'peer'; readonly key: string; readonly spr: Uint8Array | null }
  | { readonly kind: 'peer-gone'; readonly key: string }
  /** What became of a message, by the id of its order. */
  | { readonly kind: 'sent'; readonly id: number; readonly name: string }
  | { readonly kind: 'waiting'; readonly id: number; readonly name: string }
  /** Much waited to be written to a friend; now it is little. */
  | { readonly kind: 'eased'; readonly name: string }
  | {
      readonly kind: 'trouble';
      readonly error: FleximError;
      readonly name: string | null;
      /** Of the order that was not done. */
      readonly id: number | null;
    };

export type Verdict = 'accept' | 'ignore' | 'block';

export type Order =
  /** Not encrypted: only to one who has no key and is marked as plain. */
  | { readonly kind: 'message'; readonly to: string; readonly text: string; readonly id: number }
  /** A packet with an envelope, made by `encodePacket`. Nothing is told of it. */
  | { readonly kind: 'envelope'; readonly key: string; readonly packet: Buffer }
  | { readonly kind: 'status'; readonly status: number; readonly note: string }
  | { readonly kind: 'alias'; readonly alias: string }
  | {
      readonly kind: 'answer';
      readonly id: number;
      readonly verdict: Verdict;
      /** For the book; else what he calls himself, if that is free. */
      readonly name: string | null;
    }
  /** Of a node with a key: what its handshake carries. It begins with the first of them. */
  | { readonly kind: 'prekeys'; readonly spr: Uint8Array }
  /** The address book may have changed, and friends are to be tried now. */
  | { readonly kind: 'look' };
