// Writes keyfile.json: key files that every version has to read. Run by hand, once for each new format:
//   node --import tsx test/vectors/keyfile.ts
import { writeFileSync } from 'node:fs';
import { encode } from '../../src/keystore/keyfile.ts';
import { fromHex, toHex } from '../../src/lib/bytes.ts';

const bytes = (pair: string, length: number) => fromHex(pair.repeat(length), length) as Uint8Array;
const content = {
  seed: bytes('a1', 32),
  storeKey: bytes('5c', 32),
  created: 1_700_000_000,
  label: 'alice',
};
const salt = bytes('3e', 32);
const nonce = bytes('7d', 24);
const cases = [
  { name: 'unlocked', content, passphrase: null },
  { name: 'unlocked, no label', content: { ...content, created: 0, label: '' }, passphrase: null },
  {
    name: 'unlocked, longest label',
    content: { ...content, label: 'ä'.repeat(64) },
    passphrase: null,
  },
  // Ångström sign, ligature fi, full-width digits: NFKC changes every one of them.
  { name: 'locked', content, passphrase: '\u212bngstr\u00f6m \ufb01 \uff11\uff12' },
];

const vectors = [];
for (const { name, content, passphrase } of cases) {
  const file = await encode(content, passphrase, { salt, nonce, log2N: passphrase ? 15 : 17 });
  vectors.push({
    name,
    passphrase,
    seed: toHex(content.seed),
    storeKey: toHex(content.storeKey),
    created: content.created,
    label: content.label,
    salt: toHex(salt),
    nonce: toHex(nonce),
    log2N: passphrase ? 15 : 17,
    file: toHex(file),
  });
}
const path = new URL('./keyfile.json', import.meta.url);
writeFileSync(path, `${JSON.stringify(vectors, null, 2)}\n`);
