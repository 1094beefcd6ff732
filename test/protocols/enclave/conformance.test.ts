// Enclave behind the seam keeps what a direct link can keep: all but what takes somebody who keeps things.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import type { EnclaveLink } from '../../../src/protocols/enclave/index.ts';
import { protocols } from '../../../src/protocols/index.ts';
import { conformance, type Started } from '../../conformance.ts';
import { memoryPins, temporaryDirectory } from '../../relay.ts';
import { until } from '../../scene.ts';
import { QUICK } from './nodes.ts';

/** Those who know each other, in the place of a relay. */
interface Circle extends Started {
  readonly directory: string;
  readonly links: Set<EnclaveLink>;
}

conformance(suite('conformance: enclave'), {
  protocol: protocols.enclave,
  isDirect: true,
  start: async (): Promise<Circle> => {
    const directory = temporaryDirectory();
    const stop = async () => rmSync(directory, { recursive: true, force: true });
    return { port: 0, key: '', directory, links: new Set(), stop };
  },
  dial: async (started, { identity, alias }) => {
    const { directory, links } = started as Circle;
    const key = identity.hex;
    const book = join(directory, key);
    const lines = [...links].map(
      ({ self, node }, n) => `friend${n} 127.0.0.1:${node.address.port} ${self.key}\n`,
    );
    writeFileSync(book, lines.join(''), { mode: 0o600 });
    const link = await protocols.enclave.dial({
      ...{ host: '127.0.0.1', port: 0, identity, pins: memoryPins(), reconnect: QUICK, book },
      ...{ alias: alias ?? 'somebody', strangers: 'accept' },
    });
    await link.prekeys.publish(Uint8Array.of(1, 2, 3, ...identity.exchange.publicKey), []);
    for (const each of links) await until(() => link.node.has(each.self.key), 'a friend');
    for (const each of links) await until(() => each.node.has(key), 'known');
    links.add(link);
    link.closed.then(() => links.delete(link));
    return link;
  },
}).run();
