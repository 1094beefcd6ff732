// Who is met directly (ways.ts). A key is only claimed until something opened under it since he came; and
// who does not answer what he should is as good as away, whatever his connection says.

export interface Meeting {
  readonly name: string;
  readonly spr: Uint8Array | null;
  /** Deliveries from this one on are of this connection. */
  readonly since: number;
  isProven: boolean;
  /** When the oldest message went to him to which he said nothing yet; null: there is none. */
  waits: number | null;
  /** When proofs are exchanged again, if something goes to him meanwhile, and the pause behind it. */
  proof: { at: number; gap: number };
}

const GAP = { minMs: 250, maxMs: 60_000 };

export interface MetOptions {
  readonly silenceMs: number;
  readonly now: () => number;
  readonly turned: (key: string, isDirect: boolean) => void;
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
    this.#all.set(key, { name, spr, since, ...unproven() });
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
    meeting.waits = null;
    if (meeting.isProven) return;
    meeting.isProven = true;
    this.#options.turned(key, true);
  }

  /**
   * Something is for one who is there and not proven: whether he is to be shown who we are, so that he does
   * the same. At growing intervals: it may be somebody else, who never will.
   */
  wantsProof(key: string): boolean {
    const meeting = this.#all.get(key);
    const now = this.#options.now();
    if (!meeting || meeting.isProven || now < meeting.proof.at) return false;
    const { gap } = meeting.proof;
    meeting.proof = { at: now + gap, gap: Math.min(2 * gap, GAP.maxMs) };
    return true;
  }

  /** Something went to him that he answers. */
  asked(key: string): void {
    const meeting = this.#all.get(key);
    if (meeting?.isProven) meeting.waits ??= this.#options.now();
  }

  /** Looks for those who are silent. */
  look(): void {
    const { now, silenceMs, turned } = this.#options;
    for (const [key, meeting] of this.#all) {
      if (meeting.waits === null || now() - meeting.waits < silenceMs) continue;
      Object.assign(meeting, unproven());
      turned(key, false);
    }
  }
}

function unproven(): Pick<Meeting, 'isProven' | 'waits' | 'proof'> {
  return { isProven: false, waits: null, proof: { at: 0, gap: GAP.minMs } };
}
