// The account of every message between two people, from end to end: what was handed to `send`, what `send` promised,
// what `receive` showed, what was acknowledged, and at last what both histories have. Each difference has a name.

export const VIOLATIONS = [
  'crash', // a process ended by itself as none should
  'doubled', // twice in a history, twice by one receiver, or again after it was acknowledged
  'hang', // what must come did not
  'lost', // promised or kept by its sender, and not there
  'order', // behind a later one of the same sender
  'unsent', // nobody sent it, or not these words
] as const;

export type ViolationKind = (typeof VIOLATIONS)[number];

export interface Violation {
  readonly kind: ViolationKind;
  readonly what: string;
}

/** A line of `flexim history --json`, or of `flexim receive --json`. */
export interface Line {
  readonly id: string;
  readonly text: string;
  readonly outgoing: boolean;
  /** How far an outgoing one is known to be. */
  readonly state?: string | null;
}

interface Seen {
  readonly id: string;
  readonly text: string;
  receiver: number; // that showed it last
  acknowledged: boolean;
  confirmed: boolean;
}

/** One direction: what one of them writes to the other. */
export class Way {
  readonly name: string;
  readonly #account: Account;
  readonly #posted = new Map<string, number>(); // text → its number
  readonly #sure = new Set<string>(); // texts of a send that ended well
  readonly #promised = new Map<string, string>(); // id → state
  readonly #seen = new Map<string, Seen>(); // by id
  #last = -1; // the number of the latest text that was shown
  #delivered = 0;
  #unreceipted = 0;

  constructor(account: Account, name: string) {
    this.#account = account;
    this.name = name;
  }

  /** Before it is handed to `send`. */
  post(text: string): void {
    this.#posted.set(text, this.#posted.size);
    this.#account.counts.posted++;
  }

  /** `send` says that the relay has it, or he. */
  promise(id: string, state: string): void {
    if (state !== 'accepted' && state !== 'delivered' && state !== 'read') return;
    if (!this.#promised.has(id)) this.#account.counts.promised++;
    this.#promised.set(id, state);
  }

  /** A `send` ended well: it promised all that it was given. */
  sure(texts: readonly string[]): void {
    for (const text of texts) this.#sure.add(text);
  }

  show({ id, text }: Line, receiver: number): void {
    const known = this.#seen.get(id);
    if (known?.receiver === receiver) this.#say('doubled', `'${text}' twice by one receiver`);
    if (known?.confirmed) this.#say('doubled', `'${text}' again after its acknowledgement`);
    if (known && known.text !== text) this.#say('unsent', `'${known.text}' became '${text}'`);
    if (known) {
      known.receiver = receiver;
      this.#account.counts.repeated++;
      return;
    }
    this.#account.counts.shown++;
    this.#seen.set(id, { id, text, receiver, acknowledged: false, confirmed: false });
    const number = this.#posted.get(text);
    if (number === undefined) return this.#say('unsent', `'${text}' was shown`);
    if (number <= this.#last) this.#say('order', `'${text}' was shown behind a later one`);
    this.#last = Math.max(this.#last, number);
  }

  /** Its id went back. */
  acknowledge(id: string): void {
    const seen = this.#seen.get(id);
    if (seen) seen.acknowledged = true;
  }

  /** The receiver ended in good order: what was acknowledged is so for good. */
  confirm(): void {
    for (const seen of this.#seen.values()) if (seen.acknowledged) seen.confirmed = true;
  }

  hasShown(id: string): boolean {
    return this.#seen.has(id);
  }

  /** What was promised and is not shown yet. */
  get missing(): string[] {
    return [...this.#promised.keys()].filter((id) => !this.#seen.has(id));
  }

  /** All is quiet: the history of him who wrote, and of him who was written to. */
  settle(writer: readonly Line[], reader: readonly Line[]): void {
    const out = writer.filter(({ outgoing }) => outgoing);
    const came = reader.filter(({ outgoing }) => !outgoing);
    this.#history(out, 'the history of its sender');
    this.#history(came, 'the history of its reader');
    const [sent, got] = [byId(out), byId(came)];
    for (const [id, { text }] of sent)
      if (!got.has(id)) this.#say('lost', `'${text}': kept by its sender, never came`);
    for (const [id, { text }] of got) {
      const was = sent.get(id);
      if (!was) this.#say('lost', `'${text}' came, and its sender has forgotten it`);
      else if (was.text !== text) this.#say('unsent', `'${was.text}' became '${text}'`);
      if (!this.#seen.has(id)) this.#say('lost', `'${text}' came, and no receiver showed it`);
    }
    for (const id of this.#seen.keys())
      if (!got.has(id)) this.#say('lost', `'${this.#seen.get(id)?.text}' was shown, and not kept`);
    for (const [id, state] of this.#promised)
      if (!sent.has(id)) this.#say('lost', `${id} was ${state}, and its sender has forgotten it`);
    const texts = new Set(out.map(({ text }) => text));
    for (const text of this.#sure)
      if (!texts.has(text)) this.#say('lost', `'${text}': send ended well, and it is not there`);
    const { counts } = this.#account;
    counts.delivered += got.size - this.#delivered;
    this.#delivered = got.size;
    // A receipt that a kill swallowed: the message is sent again after an hour, and known there.
    const waits = out.filter(({ state }) => state === 'queued' || state === 'accepted').length;
    counts.unreceipted += waits - this.#unreceipted;
    this.#unreceipted = waits;
  }

  #history(lines: readonly Line[], where: string): void {
    const [ids, texts] = [new Set<string>(), new Set<string>()];
    let last = -1;
    for (const { id, text } of lines) {
      if (ids.has(id) || texts.has(text)) this.#say('doubled', `'${text}' twice in ${where}`);
      ids.add(id);
      texts.add(text);
      const number = this.#posted.get(text);
      if (number === undefined) this.#say('unsent', `'${text}' in ${where}`);
      else if (number < last) this.#say('order', `'${text}' behind a later one in ${where}`);
      last = Math.max(last, number ?? -1);
    }
  }

  #say(kind: ViolationKind, what: string): void {
    this.#account.violation(kind, `${this.name}: ${what}`);
  }
}

const byId = (lines: readonly Line[]) => new Map(lines.map((line) => [line.id, line]));

export class Account {
  readonly violations: Violation[] = [];
  readonly counts = { posted: 0, promised: 0, shown: 0, repeated: 0, delivered: 0, unreceipted: 0 };

  violation(kind: ViolationKind, what: string): void {
    this.violations.push({ kind, what });
  }

  count(kind: ViolationKind): number {
    return this.violations.filter((each) => each.kind === kind).length;
  }
}
