// flexim send: a message, or each line of stdin as one. It ends well only when the relay, or the person,
// has every one of them; what has not got so far is kept and goes out later.

import type { Contact } from '../../client/events.ts';
import { FleximError, isFleximError } from '../../lib/errors.ts';
import { wellFormed } from '../../lib/text.ts';
import type { Agent } from '../agent/agent.ts';
import { wayOf } from '../agent/enclave.ts';
import { withAgent } from '../agent/use.ts';
import { shownTime, Watch } from '../agent/watch.ts';
import type { Context, SEND } from '../command.ts';
import { checkedText, readLines, readText } from '../input.ts';
import { writeJson } from '../output.ts';
import { nameOf, reach } from '../people.ts';
import { Posting } from '../posting.ts';
import { tell } from '../profile.ts';

type Sending = Context<typeof SEND>['settings'];

export async function send({ settings, args }: Context<typeof SEND>): Promise<void> {
  const { who = '', text = '' } = args;
  const texts = await textsOf(text, settings);
  const work = async (agent: Agent) => {
    const watch = new Watch(agent);
    const to = await reach(watch, who, performance.now() + settings.timeout);
    await new Task(watch, to, settings).run(texts);
  };
  await withAgent(settings, work, wayOf(settings));
}

type Texts = Iterable<string> | AsyncIterable<string>;

/** A single message is read whole before a key is opened; lines are read as they come. */
async function textsOf(text: string, { lines }: Sending): Promise<Texts> {
  const isGiven = text !== '' && text !== '-';
  if (lines && isGiven)
    throw new FleximError('usage', 'with --lines the messages come on stdin, without a text');
  if (isGiven) return [wellFormed(checkedText(text, 'that text'))];
  if (text === '' && process.stdin.isTTY)
    throw new FleximError(
      'usage',
      'what is to be sent? flexim send WHO hello, or a pipe, or - to type it until Ctrl-D',
    );
  if (lines) return readLines(process.stdin);
  const whole = await readText(process.stdin);
  if (whole === '') throw new FleximError('bad-input', 'stdin was empty; nothing was sent');
  return [whole];
}

class Task {
  readonly #watch: Watch;
  readonly #to: Contact;
  readonly #name: string;
  readonly #settings: Sending;
  readonly #posting: Posting;
  #shown: Promise<unknown> = Promise.resolve();
  #isDelivered = true; // each that is settled

  constructor(watch: Watch, to: Contact, settings: Sending) {
    this.#watch = watch;
    this.#to = to;
    this.#name = nameOf(to, to.key);
    this.#settings = settings;
    this.#posting = new Posting(watch, {
      to,
      flags: settings.notify ? ['NOTIFY'] : [],
      wait: settings.wait as 'accepted' | 'delivered',
      settled: (id, state) => {
        if (state === 'accepted') this.#isDelivered = false;
        this.#show(id, state);
      },
    });
  }

  async run(texts: Texts): Promise<void> {
    const failure = await this.#post(texts).then(
      () => null,
      (error: unknown) => error,
    );
    const followed = await this.#follow().then(
      () => null,
      (error: unknown) => error,
    );
    for (const [id, state] of this.#posting.open) this.#show(id, state);
    await this.#shown;
    if (failure && followed) tell((followed as Error).message);
    if (failure ?? followed) throw failure ?? followed;
    const { count } = this.#posting;
    const what = count === 1 ? 'it' : `all ${count.toLocaleString('en')}`;
    const whoHas = this.#isDelivered ? this.#name : 'the relay';
    tell(count === 0 ? 'there was nothing to send' : `${whoHas} has ${what}`);
  }

  async #post(texts: Texts): Promise<void> {
    try {
      for await (const text of texts) await this.#posting.post(text);
    } finally {
      await this.#posting.stored();
    }
  }

  async #follow(): Promise<void> {
    const late = performance.now() + this.#settings.timeout;
    try {
      if (await this.#posting.settled(late)) return;
    } catch (error) {
      throw isFleximError(error) ? await this.#withRest(error) : error;
    }
    throw await this.#pending();
  }

  /** What ends the waiting before its time. */
  async #withRest(error: FleximError): Promise<FleximError> {
    return new FleximError(error.code, `${sentence(error.message)} ${await this.#rest()}`, error);
  }

  async #pending(): Promise<FleximError> {
    const { relay, trouble } = await this.#watch.agent.ask('status');
    const time = shownTime(this.#settings.timeout);
    const states = new Set(this.#posting.open.values());
    const why = relay ? '' : `: ${trouble?.message ?? 'there is no connection'}`;
    const what =
      states.has('queued') || !relay
        ? `the relay has not confirmed it in ${time}${why}`
        : `${this.#name} has not got it in ${time}`;
    return new FleximError('send-pending', `${sentence(what)} ${await this.#rest()}`);
  }

  async #rest(): Promise<string> {
    const { open, count } = this.#posting;
    const isHere = [...open.values()].includes('queued');
    const which = count === 1 ? 'The message is' : `${open.size} of ${count} messages are`;
    if (!isHere) return `${which} kept by the relay until ${this.#name} comes`;
    const isStopped = count > open.size; // some went out
    const why = isStopped ? ` (500 at most go out before ${this.#name} answers)` : '';
    return `${which} kept here${why}, and still sent when flexim is connected again`;
  }

  #show(id: string, state: string): void {
    if (!this.#settings.json) return;
    const line = { id, to: this.#to.key, name: this.#to.name || null, state };
    this.#shown = this.#shown.then(() => writeJson(line));
    this.#shown.catch(() => {}); // it is heard at the end
  }
}

function sentence(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`;
}
