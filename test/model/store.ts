// What a model's client has on disk. A transaction is a copy that replaces the whole at once; what
// was not committed is gone with the process.

import type { OwnOneTimePrekey, OwnSignedPrekey, SeenBundle } from '../../src/fe1/prekeys.ts';

export interface Own {
  readonly install: Uint8Array;
  readonly published: boolean;
  readonly next: number; // of every counter in the store
}

export interface PeerRow {
  readonly maxGen: number;
  readonly seen: SeenBundle | null; // the pin
  readonly heardAt: number;
}

export interface SessionRow {
  readonly peer: string;
  readonly bytes: Uint8Array;
  readonly born: number;
  readonly usedAt: number; // a count, not a time
  readonly openedAt: number;
  readonly heardAt: number;
  readonly supersededAt: number | null;
}

/** An envelope that the transport has not acknowledged. */
export interface OutRow {
  readonly to: string;
  readonly bytes: Uint8Array;
  readonly id: string | null; // of the message in it; null when nothing will be receipted
  readonly logins: number;
}

/** Accepted from the application, not yet encrypted. */
export interface WaitRow {
  readonly to: string;
  readonly id: string;
  readonly text: string;
}

/** Encrypted, not yet receipted. */
export interface SentRow extends WaitRow {
  readonly order: number; // of its WaitRow
  readonly sid: string;
  readonly install: Uint8Array; // the peer's, of that session
  readonly at: number;
  readonly tries: number;
  readonly heard: number | null; // the first sign of life from the peer after that
  readonly queuedAt: number | null;
  readonly out: number;
}

export interface InitRow {
  readonly peer: string;
  readonly sid: string | null; // null: the session was deleted
  readonly spkId: number;
}

export interface SprRow {
  readonly own: OwnSignedPrekey;
  readonly madeAt: number;
  readonly replacedAt: number | null;
}

/** What the application was given. */
export interface Row {
  readonly at: number;
  readonly from: string;
  readonly id: string;
  readonly text: string;
}

export interface State {
  own: Own;
  readonly peers: Map<string, PeerRow>;
  readonly sessions: Map<string, SessionRow>; // by sid
  readonly outbox: Map<number, OutRow>;
  readonly waiting: Map<number, WaitRow>;
  readonly sent: Map<string, SentRow>; // by message id
  readonly owed: Map<string, { readonly peer: string; readonly sid: string }>; // receipts, by id
  readonly seen: Map<string, number>; // peer:id, when
  readonly inits: Map<string, InitRow>; // by iid
  readonly sprs: Map<number, SprRow>; // by spk_id
  readonly otks: Map<number, OwnOneTimePrekey>; // by otk_id
  readonly rows: Map<number, Row>;
  readonly openings: Map<number, string>; // for the checks: the iid of every session opened
}

export class Store {
  #state: State;

  constructor(install: Uint8Array) {
    const own = { install, published: false, next: 1 };
    this.#state = {
      own,
      peers: new Map(),
      sessions: new Map(),
      outbox: new Map(),
      waiting: new Map(),
      sent: new Map(),
      owed: new Map(),
      seen: new Map(),
      inits: new Map(),
      sprs: new Map(),
      otks: new Map(),
      rows: new Map(),
      openings: new Map(),
    };
  }

  /** To be read only. */
  get state(): State {
    return this.#state;
  }

  begin(): State {
    const copies = Object.entries(this.#state).map(([name, value]) => [
      name,
      value instanceof Map ? new Map(value) : value,
    ]);
    return Object.fromEntries(copies) as State;
  }

  commit(state: State): void {
    this.#state = state;
  }
}
