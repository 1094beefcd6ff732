// How a node shows itself, and the packets that say so: docs/protocols/enclave.md §3.

import type { Clock } from '../../lib/time.ts';
import { encodePacket, type Packet, STATUS } from './wire.ts';

export class Self {
  /** Our flexim key; null for a node that does not encrypt. */
  readonly key: string | null;
  readonly #clock: Pick<Clock, 'wall'>;
  alias: string;
  status: number = STATUS.available;
  note = '';
  spr: Uint8Array | null = null;

  constructor(key: string | null, alias: string, clock: Pick<Clock, 'wall'>) {
    this.key = key;
    this.alias = alias;
    this.#clock = clock;
  }

  handshake(): Buffer {
    const { key, spr } = this;
    return this.packet({
      ...{ alias: this.alias, status: this.status, 'status-message': this.note },
      ...(key !== null && { 'flexim-key': key }),
      ...(key !== null && spr && { 'fe1-spr': spr }),
    });
  }

  /** With its time. */
  packet(packet: Packet): Buffer {
    return encodePacket({ ...packet, timestamp: this.#clock.wall() });
  }
}
