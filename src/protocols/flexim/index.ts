// The Flexim protocol behind the seam.

import { DEFAULT_PORT } from '../../lib/address.ts';
import type { RelayProtocol } from '../protocol.ts';
import { dial } from './client.ts';
import { serve } from './server.ts';
import { MAX_BODY } from './wire.ts';

// A Message around an envelope takes 96 bytes with a hex `to`, 5 more with /live.
const MESSAGE_OVERHEAD = 128;

export const flexim = {
  name: 'flexim',
  defaultPort: DEFAULT_PORT,
  maxEnvelope: MAX_BODY - MESSAGE_OVERHEAD,
  dial,
  serve,
} satisfies RelayProtocol;
