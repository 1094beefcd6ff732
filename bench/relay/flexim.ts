// Flexim: Messages as our client writes them, to the recipient's key. With acknowledgements a receiver
// says how many it has as our client does: at the end of a turn of its event loop, the next time after a
// pause, or when there are many.

import { ACK_PAUSE_MS, isMuch } from '../../src/protocols/flexim/acks.ts';
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
  acknowledged: number;
  bytes: number; // since then
  pausesUntil: number;
  isDue: boolean;
}

const taken = new WeakMap<Line, Taken>();
let due: Line[] = [];
let isWaiting = false; // for a pause to end

/** Says what is due; who still pauses is looked at again. */
function acknowledge(): void {
  const lines = due;
  due = [];
  const now = performance.now();
  for (const line of lines) {
    const state = taken.get(line) as Taken;
    const { messages, acknowledged, bytes, pausesUntil } = state;
    if (now < pausesUntil && !isMuch(messages - acknowledged, bytes)) due.push(line);
    else {
      line.socket.write(command('ACK', String(messages)));
      Object.assign(state, {
        isDue: false,
        acknowledged: messages,
        bytes: 0,
        pausesUntil: now + ACK_PAUSE_MS,
      });
    }
  }
  if (due.length === 0 || isWaiting) return;
  isWaiting = true;
  setTimeout(() => {
    isWaiting = false;
    acknowledge();
  }, ACK_PAUSE_MS);
}

let isScheduled = false;

export const fleximAcks: Wire = {
  reply: null,
  async open(port: number, role: Role) {
    const line = await logIn(port, { acks: role === 'receiver' });
    taken.set(line, { messages: 0, acknowledged: 0, bytes: 0, pausesUntil: 0, isDue: false });
    return line;
  },
  ...frames,
  taken(line, messages, bytes) {
    const state = taken.get(line) as Taken;
    state.messages += messages;
    state.bytes += bytes;
    if (!state.isDue) due.push(line);
    state.isDue = true;
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      acknowledge();
    });
  },
};
