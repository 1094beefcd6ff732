// Who is met directly (ways.ts). A key is only claimed until something opened under it since he came; and
// who does not answer what he should is as good as away, whatever his connection says.

export interface Meeting {
  readonly name: string;
  readonly spr: Uint8Array | null;
  /** Deliveries from this one on are of this connection. */
  readonly since: number;
  isProven: boolean;
  /** When what he should answer went to him, the oldest first. */
  owes: Map<string, number>;
  /** When proofs are exchanged again, if something goes to him meanwhile, and the pause behind it. */
  proof: { at: number; gap: number };
  /** When something went straight to him last. */
  saidAt: number;
}

const GAP_MOST = 60_000;

export interface MetOptions {
  readonly silenceMs: number;
  /** Between looks. */
  readonly lookMs: number;
  readonly now: () => number;
  readonly turned: (key: string, isDirect: boolean) => void;
  /** He is to be shown that we are who we say. */
  readonly prove: (key: string, meeting: Meeting) => void;
}

export class Met {
  readonly #options: MetOptions;
  readonly #all = new Map<string, Meeting>();

  constructor(options: MetOptions) {
    this.#options = options;
  }

  get(key: string): Meeting | undefined {
    return this.#all.get(key);
  }

  entries(): IterableIterator<[string, Meeting]> {
    return this.#all.entries();
  }

  /** Also with one connection more, or less, than before: then nothing is proven any more. */
  arrived(key: string, { name, spr, since }: Pick<Meeting, 'name' | 'spr' | 'since'>): void {
    const before = this.#all.get(key);
    this.#all.set(key, { name, spr, since, saidAt: 0, ...this.#unproven() });
    if (before?.isProven) this.#options.turned(key, false);
  }

  left(key: string): void {
    const meeting = this.#all.get(key);
    this.#all.delete(key);
    if (meeting?.isProven) this.#options.turned(key, false);
  }

  /** Delivery number `nth` opened under his key. */
  heard(key: string, nth: number): void {
    const meeting = this.#all.get(key);
    if (!meeting || nth < meeting.since) return;
    if (!meeting.isProven) {
      meeting.isProven = true;
      this.#options.turned(key, true);
    }
    const { now, lookMs, prove } = this.#options;
    // He may ask for a proof of ours: his connection may be a newer one than ours.
    if (now() - meeting.saidAt > lookMs / 2) prove(key, meeting);
  }

  /**
   * He is here, and not proven: he is shown who we are, so that he does the same. At growing intervals: it
   * may be somebody else, who never will.
   */
  #ask(key: string, meeting: Meeting): void {
    const now = this.#options.now();
    const { at, gap } = meeting.proof;
    if (now < at) return;
    meeting.proof = { at: now + gap, gap: Math.min(2 * gap, GAP_MOST) };
    this.#options.prove(key, meeting);
  }

  /** Something went straight to him, which he answers or not. */
  said(key: string, awaits: string | null): void {
    const meeting = this.#all.get(key);
    if (!meeting) return;
    meeting.saidAt = this.#options.now();
    if (awaits === null || !meeting.isProven || meeting.owes.has(awaits)) return;
    meeting.owes.set(awaits, meeting.saidAt);
  }

  /** What else he says is no answer: it may have been on its way before. */
  answered(key: string, awaited: string): void {
    this.#all.get(key)?.owes.delete(awaited);
  }

  /** Looks for those who are silent, and for those who have proven nothing. */
  look(): void {
    const { now, silenceMs, turned } = this.#options;
    for (const [key, meeting] of this.#all) {
      if (!meeting.isProven) this.#ask(key, meeting);
      const [oldest] = meeting.owes.values();
      if (oldest === undefined || now() - oldest < silenceMs) continue;
      Object.assign(meeting, this.#unproven());
      turned(key, false);
    }
  }

  #unproven(): Pick<Meeting, 'isProven' | 'owes' | 'proof'> {
    const { now, lookMs } = this.#options;
    return { isProven: false, owes: new Map(), proof: { at: now() + lookMs, gap: lookMs } };
  }
}
