// What a connection may send before its login: docs/protocols/flexim.md §3.3. It costs the relay little
// memory and little work, whatever it sends: a long body is passed over as it comes.

import { type Limits, STRANGER_BODY } from '../../relay/limits.ts';
import { type Delimiter, NEED_MORE } from '../../wire/frames.ts';
import { FRAME_HEAD, frameDelimiter } from './wire.ts';

/** 'long': only the head came, and the body will be 'passed'; 'many': beyond the number of frames. */
export type Seen = 'frame' | 'long' | 'passed' | 'many';

export class Stranger {
  readonly #limits: Limits;
  #frames = 0;
  #bytes = 0;
  #passing = 0; // bytes still to come of a body that is passed over

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** A head whose body would be too long comes alone, its body in pieces of any length. */
  readonly delimiter: Delimiter = (bytes, start, end) => {
    if (this.#passing > 0) return end > start ? Math.min(end, start + this.#passing) : NEED_MORE;
    const stop = frameDelimiter(bytes, start, end);
    const isLong = stop !== NEED_MORE && stop - start > FRAME_HEAD + STRANGER_BODY;
    return isLong ? start + FRAME_HEAD : stop;
  };

  /** What the delimiter cut. */
  see(bytes: Buffer, start: number, end: number): Seen {
    if (this.#passing > 0) {
      this.#passing -= end - start;
      return 'passed';
    }
    if (++this.#frames > this.#limits.strangerFrames) return 'many';
    const length = bytes.readUInt16BE(start + 1);
    if (length <= STRANGER_BODY) return 'frame';
    this.#passing = length;
    return 'long';
  }

  /** So many bytes came, so many of all lie uncut; false: more than a stranger may send or leave here. */
  mayGoOn(bytes: number, uncut: number): boolean {
    this.#bytes += bytes;
    return this.#bytes <= this.#limits.strangerBytes && uncut <= FRAME_HEAD + STRANGER_BODY;
  }
}
