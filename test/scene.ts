// A relay and the peers around it, all gone when the test ends, however it ends.

import { type Frame, type Keys, newKeys, Peer } from './peer.ts';
import { startRelay, type TestRelay, type TestRelayOptions } from './relay.ts';

export interface Member {
  readonly peer: Peer;
  readonly keys: Keys;
  readonly hex: string;
  /** What came before the event 22. */
  readonly queued: readonly Frame[];
}

export interface Scene {
  readonly relay: TestRelay;
  connect(): Promise<Peer>;
  /** A peer that is logged in. */
  member(keys?: Keys, alias?: string, options?: { readonly acks: boolean }): Promise<Member>;
}

export function scene(
  body: (scene: Scene) => unknown,
  options: TestRelayOptions = {},
): () => Promise<void> {
  return async () => {
    const started = await startRelay(options);
    let isStopped = false;
    const stop = () => {
      isStopped = true;
      return started.stop();
    };
    const relay = { ...started, stop };
    const peers: Peer[] = [];
    const connect = async () => {
      const peer = await Peer.connect(relay.port);
      peers.push(peer);
      return peer;
    };
    const member = async (keys = newKeys(), alias?: string, options?: { acks: boolean }) => {
      const peer = await connect();
      const { queued } = await peer.login(keys, alias, options);
      return { peer, keys, hex: keys.hex, queued };
    };
    try {
      await body({ relay, connect, member });
    } finally {
      await Promise.all(peers.map((peer) => peer.destroy()));
      if (!isStopped) await relay.stop();
    }
  };
}

const PATIENCE_MS = 60_000; // for what must come; only a failure waits so long
const BUSY_TURNS = 200; // what comes soon is seen at once; what takes longer does not cost a processor
const { setTimeout } = globalThis; // the real one, also where a test holds the time

/** Goes on with the event loop until it holds. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  for (let turns = 0; !holds(); turns++) {
    if (performance.now() > end) throw new Error(`never: ${what}`);
    await new Promise((resolve) => {
      if (turns < BUSY_TURNS) setImmediate(resolve);
      else setTimeout(resolve, 1);
    });
  }
}
