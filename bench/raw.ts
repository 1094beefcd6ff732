// A client for load: it logs in like others, then writes prebuilt frames and counts what comes back
// without decoding it.

import type { Socket } from 'node:net';
import { encode } from '@msgpack/msgpack';
import { authResponse, type Keys, newNonce, Peer } from '../test/peer.ts';

export interface Raw {
  readonly keys: Keys;
  readonly socket: Socket;
}

export interface Heard {
  /** A whole frame; the memory is used again. */
  frame(type: number, bytes: Buffer, start: number, end: number): void;
}

const HEAD = 3;

/** Logs in, with acknowledgements when asked; what comes behind User goes to `heard`. */
export async function logIn(
  port: number,
  keys: Keys,
  heard: Heard,
  { acks }: { readonly acks: boolean },
): Promise<Raw> {
  const peer = await Peer.connect(port);
  await peer.greet();
  if (acks) await peer.ask('ACKS', 'on');
  const { challenge } = await peer.challenged(keys);
  // From here on frames are counted and not kept; the first is User.
  const { socket } = peer;
  socket.removeAllListeners('data');
  await new Promise<void>((resolve) => {
    let isIn = false;
    const cut = cutter({
      frame: (type, bytes, start, end) => {
        if (isIn) return heard.frame(type, bytes, start, end);
        isIn = true;
        resolve();
      },
    });
    socket.on('data', cut);
    peer.write(authResponse(challenge, peer.relayKey, newNonce()));
  });
  return { keys, socket };
}

function cutter({ frame }: Heard): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let at = 0;
    while (bytes.length - at >= HEAD) {
      const end = at + HEAD + bytes.readUInt16BE(at + 1);
      if (end > bytes.length) break;
      frame(bytes[at] as number, bytes, at, end);
      at = end;
    }
    rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : Buffer.alloc(0);
  };
}

/** A Message whose frame has so many bytes. */
export function messageOf(to: string, size: number): Buffer {
  const empty = messageFrame(to, new Uint8Array(0)).length;
  const head = size - empty >= 256 ? 1 : 0; // a longer bin has a longer head
  return messageFrame(to, new Uint8Array(Math.max(0, size - empty - head)).fill(0x2e));
}

/** A Message as our client writes it. */
export function messageFrame(to: string, msg: Uint8Array): Buffer {
  const body = encode({ to, from: '', flags: [], date: 0, msg });
  return Buffer.concat([Buffer.from([3, body.length >> 8, body.length & 0xff]), body]);
}
