// A process of once.long.test.ts: makes so many key pairs, with what is left over always in other places.

import { onceKeys } from '../../src/crypto/once.ts';

let left: unknown[] = [];
for (let i = 0; i < Number(process.argv[2]); i++) {
  onceKeys.exchange();
  left = new Array((i * 7) % 61);
}
process.stdout.write(left.length < 61 ? 'made' : '');
