// Flexim: Messages as our client writes them, to the recipient's key. With acknowledgements a receiver
// says once in each turn of its event loop how many it has, as our client does.

import { command, newKeys, Peer } from '../../test/peer.ts';
import { messageFrame } from '../raw.ts';
import { Line } from './line.ts';
import type { Role, Wire } from './wire.ts';

export async function logIn(port: number, { acks }: { readonly acks: boolean }): Promise<Line> {
  const keys = newKeys();
  const line = await Line.open(port, keys.hex);
  const peer = new Peer(line.socket);
  line.take = (bytes, length) =>
    void line.socket.emit('data', Buffer.from(bytes.subarray(0, length)));
  await peer.login(keys, undefined, { acks });
  line.socket.removeAllListeners('data');
  line.take = () => {};
  return line;
}

const frames = { sent: messageFrame, delivered: messageFrame };

export const flexim: Wire = {
  reply: null, // that a Message went by the queue, because its reader was too slow

  open: (port) => logIn(port, { acks: false }),
  ...frames,
};

interface Taken {
  messages: number; // since the login
  isDue: boolean;
}

const taken = new WeakMap<Line, Taken>();
let due: Line[] = [];

function acknowledge(): void {
  const lines = due;
  due = [];
  for (const line of lines) {
    const state = taken.get(line) as Taken;
    state.isDue = false;
    line.socket.write(command('ACK', String(state.messages)));
  }
}

export const fleximAcks: Wire = {
  reply: null,
  async open(port: number, role: Role) {
    const line = await logIn(port, { acks: role === 'receiver' });
    taken.set(line, { messages: 0, isDue: false });
    return line;
  },
  ...frames,
  taken(line, messages) {
    const state = taken.get(line) as Taken;
    state.messages += messages;
    if (state.isDue) return;
    state.isDue = true;
    if (due.push(line) === 1) setImmediate(acknowledge);
  },
};
