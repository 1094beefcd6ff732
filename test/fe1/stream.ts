// The fixed stream of randomness behind the vectors: BLAKE2b blocks, drawn in call order.

import { H } from '../../src/crypto/hash.ts';
import type { Random } from '../../src/fe1/random.ts';
import { u64, utf8 } from '../../src/lib/bytes.ts';

/** block(i) = H("fe1.test", seed, u64 i); without a seed it is the stream of the vectors. */
export function stream(seed = ''): Random {
  let block = 0;
  let rest = new Uint8Array(0);
  return (length) => {
    const out = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      if (rest.length === 0) rest = H('fe1.test', utf8(seed), u64(block++)).slice();
      const take = Math.min(rest.length, length - filled);
      out.set(rest.subarray(0, take), filled);
      rest = rest.subarray(take);
      filled += take;
    }
    return out;
  };
}
