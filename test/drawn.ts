// Keys for a negotiation of bytes that a test draws, so that it says the same each time.

import { type KeySource, slowExchange, slowKem } from '../src/crypto/once.ts';
import { exchangePair, kemEncapsulate } from '../src/crypto/sodium.ts';

export const drawnKeys = (draw: (length: number) => Uint8Array): KeySource => ({
  exchange: () => slowExchange(exchangePair(draw(32))),
  kem: () => slowKem(draw(32)),
  encapsulate: (publicKey) => kemEncapsulate(publicKey, draw(64)),
});
