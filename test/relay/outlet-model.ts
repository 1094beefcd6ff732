// A user who comes and goes, reads slowly or not at all, acknowledges or not, while two people write to
// him: random histories, and after every step what he was sent is held against what he should be sent.

import { mock } from 'node:test';
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { FleximError } from '../../src/lib/errors.ts';
import { withResolvers } from '../../src/lib/queue.ts';
import { decodeAccount } from '../../src/relay/account.ts';
import type { Draft, Refusal } from '../../src/relay/mailbox.ts';
import { Segment } from '../../src/relay/segment.ts';
import { turn } from '../channel.ts';
import { Twin, tablesOf } from './mailbox-model.ts';
import { type House, house, KEY, OTHER, type Paper, PaperSender, SENDER } from './paper.ts';

export type Step =
  | { readonly do: 'send'; readonly from: number; readonly length: number }
  | { readonly do: 'live'; readonly from: number }
  | { readonly do: 'acknowledge'; readonly part: number }
  | { readonly do: 'join'; readonly acks: boolean }
  | { readonly do: 'tick'; readonly ms: number }
  | { readonly do: Plain };
type Plain =
  | 'flush'
  | 'wrote'
  | 'nonsense'
  | 'acks'
  | 'spill'
  | 'turns'
  | 'catch up'
  | 'close gate'
  | 'open gate'
  | 'full'
  | 'room'
  | 'leave'
  | 'cut'
  | 'older'
  | 'crash';

const step = (weight: number, arbitrary: fc.Arbitrary<Step>) => ({ weight, arbitrary });
const plain = (weight: number, name: Plain) => step(weight, fc.constant({ do: name }));
export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    step(
      12,
      fc.record({
        do: fc.constant('send' as const),
        from: fc.nat(1),
        length: fc.integer({ min: 0, max: 12 }),
      }),
    ),
    step(2, fc.record({ do: fc.constant('live' as const), from: fc.nat(1) })),
    step(
      4,
      fc.record({
        do: fc.constant('acknowledge' as const),
        part: fc.integer({ min: 0, max: 100 }),
      }),
    ),
    step(4, fc.record({ do: fc.constant('join' as const), acks: fc.boolean() })),
    step(2, fc.record({ do: fc.constant('tick' as const), ms: fc.constantFrom(20, 100, 1_000) })),
    plain(8, 'flush'),
    plain(8, 'wrote'),
    plain(1, 'nonsense'),
    plain(1, 'acks'),
    plain(2, 'spill'),
    plain(8, 'turns'),
    plain(8, 'catch up'),
    plain(1, 'close gate'),
    plain(3, 'open gate'),
    plain(1, 'full'),
    plain(3, 'room'),
    plain(1, 'leave'),
    plain(1, 'cut'),
    plain(2, 'older'),
    plain(1, 'crash'),
  ),
  { minLength: 10, maxLength: 100, size: 'max' },
);

const LIMITS = {
  windowMessages: 7,
  windowBytes: 80,
  waitingBytes: 50,
  memoryBytes: 4_000,
  stallMs: Number.POSITIVE_INFINITY,
};
const TURNS = 6; // more than a commit over Maps takes

/** A Message that the relay took, not /live. */
interface Taken {
  readonly text: string;
  state: 'sent' | 'pending' | 'queued';
  /** It was written, or acknowledged: it need not come again. */
  isSafe: boolean;
}

/** A connection of the user. */
interface Line {
  readonly paper: Paper;
  acks: boolean;
  acksFrom: number; // frames it had been sent when acknowledgements were turned on
  acked: number;
  /** What it should be sent: all that is not safe when it begins, then what comes. */
  readonly due: Taken[];
  /** What waited when it began. */
  readonly atLogin: Set<Taken>;
  isOver: boolean;
  /** Frames it had been sent when it left, or was replaced. */
  atLeaving: number;
}

/** Hears events, and holds each against the disk. */
class Listener extends PaperSender {
  readonly #heard: (n: number, refusal: Refusal | null, told: boolean) => void;

  constructor(key: string, heard: (n: number, refusal: Refusal | null, told: boolean) => void) {
    super(key);
    this.#heard = heard;
  }

  override settled({ n, told }: Draft, refusal: Refusal | null): void {
    this.#heard(n, refusal, told);
  }
}

export class World {
  readonly #durable: boolean;
  #house: House;
  #senders: Listener[] = [];
  #sent: Map<number, Taken>[] = [new Map(), new Map()]; // by sender and number
  #numbers = [0, 0];
  #taken: Taken[] = [];
  #line: Line | null = null;
  #older: Line[] = []; // replaced, or left and not over
  #gate: (() => void) | null = null;
  #count = 0;
  /** How often interesting things happened. */
  readonly seen = {
    delivered: 0,
    pending: 0,
    live: 0,
    dropped: 0,
    refused: 0,
    again: 0,
    caughtUp: 0,
  };

  constructor(durable: boolean) {
    this.#durable = durable;
    this.#house = this.#open();
  }

  #open(old?: House): House {
    this.#senders = [OTHER, SENDER].map(
      (key, from) => new Listener(key, (...told) => this.#heard(from, ...told)),
    );
    this.#sent = [new Map(), new Map()];
    this.#numbers = [0, 0];
    return house({
      limits: LIMITS,
      durable: this.#durable,
      ...(old ? { store: old.store } : {}),
    });
  }

  async run(history: readonly Step[]): Promise<void> {
    for (const each of history) {
      await this.#step(each);
      this.#check();
    }
    await this.#finish();
  }

  async #step(each: Step): Promise<void> {
    const { paper } = this.#line ?? {};
    if (each.do === 'send') this.#send(each.from, each.length);
    else if (each.do === 'live') this.#live(each.from);
    else if (each.do === 'acknowledge') this.#acknowledge(each.part);
    else if (each.do === 'join') this.#join(each.acks);
    else if (each.do === 'tick') this.#tick(each.ms);
    else if (each.do === 'flush') paper?.flush();
    else if (each.do === 'wrote') this.#wrote();
    else if (each.do === 'nonsense') this.#nonsense();
    else if (each.do === 'acks') this.#turnOn();
    else if (each.do === 'spill') paper?.outlet.spill();
    else if (each.do === 'turns') await turns();
    else if (each.do === 'catch up') await this.#catchUp();
    else if (each.do === 'close gate') this.#closeGate();
    else if (each.do === 'open gate') this.#openGate();
    else if (each.do === 'full') this.#house.store.fail = new FleximError('store-full', 'full');
    else if (each.do === 'room') this.#house.store.fail = null;
    else if (each.do === 'leave') this.#leave();
    else if (each.do === 'cut') this.#cut();
    else if (each.do === 'older') this.#endOlder();
    else await this.#crash();
  }

  // ---- who writes ----

  #send(from: number, length: number): void {
    const text = `${from}:${++this.#count}${'.'.repeat(length)}`;
    const n = (this.#numbers[from] as number) + 1;
    this.#numbers[from] = n;
    const outcome = this.#house.route(KEY, text, this.#senders[from] as Listener);
    if (outcome !== 'delivered' && outcome !== 'pending') throw new Error(outcome);
    this.seen[outcome]++;
    if (this.#durable) assert.is(outcome, 'pending');
    const taken: Taken = {
      text,
      state: outcome === 'pending' ? 'pending' : 'sent',
      isSafe: false,
    };
    if (outcome === 'pending') this.#sent[from]?.set(n, taken);
    this.#taken.push(taken);
    this.#line?.due.push(taken);
  }

  /** A Message is on the disk, or was refused. */
  #heard(from: number, n: number, refusal: Refusal | null, told: boolean): void {
    const taken = this.#sent[from]?.get(n);
    assert.ok(taken, `${n} of ${from} waits for an event`);
    assert.is(taken?.state, 'pending', 'one event for each');
    this.#sent[from]?.delete(n);
    if (refusal !== null) {
      assert.is(refusal, 'store-full');
      this.seen.refused++;
      this.#taken = this.#taken.filter((each) => each !== taken);
      for (const line of this.#lines()) {
        const at = line.due.indexOf(taken as Taken);
        if (at >= 0) line.due.splice(at, 1);
        line.atLogin.delete(taken as Taken);
      }
      return;
    }
    assert.ok(taken?.isSafe || this.#onDisk().includes((taken as Taken).text), 'not on the disk');
    (taken as Taken).state = 'queued';
    if (!this.#durable) assert.is(told, true);
  }

  #live(from: number): void {
    const text = `live ${++this.#count}`;
    this.#numbers[from] = (this.#numbers[from] as number) + 1;
    const outcome = this.#house.route(`${KEY}/live`, text, this.#senders[from] as Listener);
    this.seen[outcome === 'delivered' ? 'live' : 'dropped']++;
    if (outcome === 'dropped') return;
    assert.is(outcome, 'delivered');
    assert.ok(this.#line, 'somebody is there');
    // Nothing overtakes: all that was taken before has been sent.
    if (!this.#durable) assert.is(regular(this.#line?.paper).length, this.#line?.due.length);
  }

  // ---- who reads ----

  #join(acks: boolean): void {
    const before = this.#line;
    if (before) this.#retire(before);
    const due = this.#taken.filter(({ isSafe }) => !isSafe);
    if (before) this.seen.again += due.length;
    const paper = this.#house.join(KEY, { acks });
    const atLogin = new Set(due);
    this.#line = { paper, acks, acksFrom: 0, acked: 0, due, atLogin, isOver: false, atLeaving: 0 };
    if (before) assert.ok(before.paper.calls.includes('replaced') || before.isOver);
  }

  /** Reads all there is, once. */
  async #catchUp(): Promise<void> {
    this.#line?.paper.flush();
    this.#wrote();
    this.#acknowledge(100);
    await turns();
  }

  #wrote(): void {
    const line = this.#line;
    if (!line) return;
    // Written to a user who does not acknowledge is delivered; so it is not needed while it happens.
    const { paper, acks, acksFrom } = line;
    const mark = () => {
      const upTo = acks ? Math.min(paper.got.length, acksFrom) : paper.got.length;
      this.#makeSafe(paper.seen.slice(0, upTo));
    };
    paper.wrote(mark);
  }

  #makeSafe(frames: readonly string[]): void {
    const texts = new Set(frames);
    for (const each of this.#taken) if (texts.has(`<${each.text}>`)) each.isSafe = true;
  }

  #acknowledge(part: number): void {
    const line = this.#line;
    if (!line?.acks) return;
    const received = line.paper.got.length - line.acksFrom;
    if (received <= line.acked) return;
    const n = line.acked + Math.ceil(((received - line.acked) * part) / 100);
    if (n > line.acked) this.#makeSafe(line.paper.seen.slice(0, line.acksFrom + n));
    assert.is(line.paper.outlet.acknowledge(n), true);
    line.acked = n;
  }

  #nonsense(): void {
    const line = this.#line;
    if (!line) return;
    const { outlet, seen } = line.paper;
    if (!line.acks) return assert.is(outlet.acknowledge(0), false);
    assert.is(outlet.acknowledge(seen.length - line.acksFrom + 1), false);
    if (line.acked > 0) assert.is(outlet.acknowledge(line.acked - 1), false);
    assert.is(outlet.acknowledge(line.acked), true, 'the same again says nothing new');
  }

  #turnOn(): void {
    const line = this.#line;
    if (!line) return;
    line.paper.outlet.acknowledging();
    if (line.acks) return;
    line.acks = true;
    line.acksFrom = line.paper.seen.length;
  }

  #retire(line: Line): void {
    line.atLeaving = line.paper.seen.length;
    this.#older.push(line);
  }

  #leave(): void {
    const line = this.#line;
    if (!line) return;
    this.#house.router.leave(line.paper.outlet);
    this.#retire(line);
    this.#line = null;
  }

  #cut(): void {
    const line = this.#line;
    if (!line) return;
    this.#line = null;
    this.#end(line);
  }

  /** A connection that had its last word is written on, or cut. */
  #endOlder(): void {
    const line = this.#older[0];
    if (!line) return;
    const isCurrent = line.paper.outlet === this.#house.queue.of(KEY).reader;
    const { paper, acks, acksFrom } = line;
    paper.flush();
    paper.wrote(() => {
      // One that was replaced has given back what was not written; one that just left has not.
      const upTo = acks ? Math.min(paper.got.length, acksFrom) : paper.got.length;
      if (isCurrent) this.#makeSafe(paper.seen.slice(0, upTo));
    });
    if (paper.waiting > 0) return;
    this.#older.shift();
    this.#end(line);
  }

  #end(line: Line): void {
    line.isOver = true;
    line.paper.cut();
  }

  // ---- the disk, the clock, a crash ----

  #closeGate(): void {
    if (this.#gate) return;
    const { promise, resolve } = withResolvers<void>();
    this.#house.store.gate = promise;
    this.#gate = () => resolve();
  }

  #openGate(): void {
    this.#house.store.gate = null;
    this.#gate?.();
    this.#gate = null;
  }

  #tick(ms: number): void {
    this.#house.clock.time += ms;
    mock.timers.tick(ms);
  }

  /** The process is gone; what was said to be queued is there, and nothing that was never taken. */
  async #crash(): Promise<void> {
    await this.#quiet();
    const lines = this.#lines();
    this.#line = null;
    this.#older = [];
    for (const { paper } of lines) paper.isOver = true;
    const queued = this.#taken.filter((each) => !each.isSafe && each.state === 'queued');
    const disk = this.#onDisk();
    for (const { text } of queued) assert.ok(disk.includes(text), `${text} is lost`);
    const left = this.#taken.filter(({ text }) => disk.includes(text));
    assert.equal(
      disk,
      left.map(({ text }) => text),
      'in the order in which they were taken',
    );
    for (const each of left) {
      each.isSafe = false; // what was acknowledged last may come again
      each.state = 'queued';
    }
    this.#taken = left;
    this.#house = this.#open(this.#house);
  }

  /** No batch is under way, the disk works. */
  async #quiet(): Promise<void> {
    this.#openGate();
    this.#house.store.fail = null;
    await turns();
    this.#tick(1_000);
    await turns();
  }

  #onDisk(): string[] {
    const { rows, accounts } = tablesOf(this.#house.store);
    const account = accounts.get(Buffer.from(KEY, 'hex'));
    const head = account ? decodeAccount(account).head : 1;
    const texts: string[] = [];
    for (const [key, value] of rows.entries()) {
      const segment = new Segment(key, value);
      let at = 0;
      for (let i = 0; i < segment.count; i++) {
        const end = at + segment.length(i);
        if (segment.first + i >= head)
          texts.push(segment.frames.toString('latin1', at + 1, end - 1));
        at = end;
      }
    }
    return texts;
  }

  // ---- checks ----

  get #hasAll(): boolean {
    const { paper, due } = this.#line ?? {};
    return paper?.waiting === 0 && due?.every(({ isSafe }) => isSafe) === true;
  }

  #lines(): Line[] {
    return this.#line ? [...this.#older, this.#line] : [...this.#older];
  }

  #check(): void {
    for (const { paper, atLeaving } of this.#older)
      assert.is(paper.seen.length, atLeaving, 'sent to one who has left');
    const line = this.#line;
    if (!line) return;
    const { paper, due, acks, acksFrom, acked } = line;
    const sent = regular(paper);
    assert.equal(
      sent,
      due.slice(0, sent.length).map(({ text }) => `<${text}>`),
      'in order, once, without a gap',
    );
    const caughtUp = paper.calls.filter((call) => call === 'caughtUp').length;
    assert.ok(caughtUp <= 1);
    if (caughtUp === 1) assert.ok(sent.length >= line.atLogin.size, 'the event 22 is too early');
    const written = acks ? Math.min(paper.got.length, acksFrom) : paper.got.length;
    const window = paper.seen.length - Math.max(written, acked > 0 ? acksFrom + acked : 0);
    assert.ok(window <= LIMITS.windowMessages, `${window} in the window`);
    if (this.#durable) {
      const disk = this.#onDisk();
      for (const each of due.slice(0, sent.length))
        assert.ok(each.isSafe || disk.includes(each.text), 'sent before it was kept');
    }
    for (const sender of this.#senders) assert.ok(sender.holds >= 0);
  }

  /** Everything gets better, he reads all, and then nothing is left anywhere. */
  async #finish(): Promise<void> {
    await this.#quiet();
    for (let last = this.#older[0]; last; last = this.#older[0]) {
      this.#older.shift();
      this.#end(last);
    }
    if (!this.#line) this.#join(true);
    for (let rounds = 0; !this.#hasAll && rounds < 200; rounds++) {
      await this.#catchUp();
      this.#check();
    }
    const line = this.#line as Line;
    assert.equal(
      regular(line.paper),
      line.due.map(({ text }) => `<${text}>`),
      'all came',
    );
    assert.is(line.paper.calls.filter((call) => call === 'caughtUp').length, 1);
    this.seen.caughtUp++;
    for (const sent of this.#sent) assert.is(sent.size, 0, 'every sender heard');
    assert.ok(this.#taken.every(({ isSafe }) => isSafe));
    this.#line = null;
    this.#end(line);
    await turns();
    this.#tick(1_000);
    assert.equal(this.#onDisk(), []);
    new Twin(KEY, this.#house.store).recount();
    assert.is(this.#house.router.memory.used, 0);
    assert.is(this.#house.queue.uncommitted, 0);
    for (const sender of this.#senders) assert.is(sender.holds, 0);
    assert.equal(this.#house.broken, []);
    const next = this.#house.join(KEY);
    assert.equal([next.seen, next.calls], [[], ['caughtUp']], 'nothing comes again');
  }
}

/** What it was sent, without /live. */
function regular(paper: Paper | undefined): string[] {
  return (paper?.seen ?? []).filter((frame) => !frame.startsWith('<live '));
}

async function turns(): Promise<void> {
  for (let i = 0; i < TURNS; i++) await turn();
}
