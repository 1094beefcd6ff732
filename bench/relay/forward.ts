// The bare forwarder (forwarder.ts): the nth sender's bytes go to the nth receiver, whatever they are;
// here they are the frames of Flexim.

import { messageFrame } from '../raw.ts';
import { Line } from './line.ts';
import type { Wire } from './wire.ts';

const NOBODY = '0'.repeat(64); // as long as a key

export const forward: Wire = {
  reply: '',
  async open(port, role, nth) {
    const line = await Line.open(port, NOBODY);
    const ready = line.until('\n');
    line.socket.write(`${role} ${nth}\n`);
    await ready;
    return line;
  },
  sent: messageFrame,
  delivered: messageFrame,
};
