// Acknowledgements of a bot: lines on stdin, each the id of a message that it has dealt with.

import { createInterface, type Interface } from 'node:readline';
import { withResolvers } from '../lib/queue.ts';
import { tell } from './profile.ts';

const ID = /^[0-9a-f]{32}$/;

export class Ids {
  readonly #lines: Interface;
  readonly #input: NodeJS.ReadStream;
  readonly #came: (peer: string, id: string) => void;
  readonly #expected = new Map<string, string[]>(); // peers, by id: two may choose the same
  readonly #done = withResolvers<void>();
  #isFinishing = false;
  #isOver = false;

  /** `over` is called when no more ids can come. */
  constructor(
    input: NodeJS.ReadStream,
    { came, over }: { came: (peer: string, id: string) => void; over: () => void },
  ) {
    this.#input = input;
    this.#came = came;
    this.#lines = createInterface({ input });
    this.#lines.on('line', (line) => this.#line(line.trim().toLowerCase()));
    this.#lines.on('close', () => {
      this.#isOver = true;
      this.#done.resolve();
      over();
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** A message is about to be shown. */
  expect(peer: string, id: string): void {
    this.#expected.set(id, [...(this.#expected.get(id) ?? []), peer]);
  }

  /** Waits until every id that is expected has come, or no more can come; how many have not. */
  async finish(): Promise<number> {
    this.#isFinishing = true;
    if (this.#expected.size > 0) await this.#done.promise;
    this.#lines.close();
    this.#input.destroy(); // else an open pipe would keep the process
    return [...this.#expected.values()].flat().length;
  }

  #line(id: string): void {
    if (id === '') return;
    const [peer, ...others] = (ID.test(id) && this.#expected.get(id)) || [];
    if (peer === undefined) return tell('that line on stdin is no id of a message shown here');
    if (others.length > 0) this.#expected.set(id, others);
    else this.#expected.delete(id);
    this.#came(peer, id);
    if (this.#isFinishing && this.#expected.size === 0) this.#done.resolve();
  }
}
