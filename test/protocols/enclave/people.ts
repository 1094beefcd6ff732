// Two people with messengers and nothing between them: no relay runs.

import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { newIdentity } from '../../../src/crypto/identity.ts';
import type { EnclaveLink, NodeEvent } from '../../../src/protocols/enclave/index.ts';
import { protocols } from '../../../src/protocols/index.ts';
import { Person, type PersonOptions } from '../../client/person.ts';
import { memoryPins, temporaryDirectory } from '../../relay.ts';
import { QUICK } from './nodes.ts';

/** Somebody with a node on a port of his own, the same each time he comes. */
export class Peer extends Person {
  readonly book = join(temporaryDirectory(), 'book');
  readonly told: NodeEvent[] = [];
  link: EnclaveLink | null = null;
  port: number;

  constructor(port: number, lines: string, options: Partial<PersonOptions> = {}) {
    const identity = newIdentity();
    super({ port, ...options }, identity);
    this.port = port;
    this.writes(lines);
    this.options = {
      again: QUICK,
      ...this.options,
      dial: async (signal) => {
        const link = await protocols.enclave.dial({
          ...{ host: '127.0.0.1', port: this.port, identity, pins: memoryPins(), signal },
          ...{ book: this.book, reconnect: QUICK, alias: 'somebody', strangers: 'refuse' },
          heard: (event) => this.told.push(event),
        });
        this.port = link.node.address.port;
        this.link = link;
        return link;
      },
    };
  }

  writes(lines: string): void {
    writeFileSync(this.book, lines, { mode: 0o600 });
  }

  /** Forgets all that was on his disk. */
  async gone(): Promise<void> {
    await this.close();
    rmSync(dirname(this.book), { recursive: true, force: true });
  }

  /** Its node listens. */
  override get isUp(): boolean {
    return this.me.status.relay !== null;
  }
}
