// Flexim over CommStream, behind the seam, keeps what every protocol keeps.
import { suite } from 'uvu';
import { protocols } from '../../../src/protocols/index.ts';
import { conformance } from '../../conformance.ts';
import { dialRelay, startRelay } from '../../relay.ts';

const protocol = protocols.commstream;

conformance(suite('conformance: commstream'), {
  protocol,
  start: async () => {
    const relay = await startRelay({ protocol });
    let stopped: Promise<void> | null = null;
    return {
      port: relay.port,
      key: relay.identity.hex,
      stop: () => {
        stopped ??= relay.stop();
        return stopped;
      },
    };
  },
  dial: ({ port }, options) => dialRelay(port, { protocol, ...options }),
}).run();
