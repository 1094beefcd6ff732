// Writes known/*.json from copies of the originals: small extracts that cover every kind of case. Run by
// hand, should an original gain a kind:
//   node --import tsx test/vectors/known.ts <wycheproof>/testvectors_v1 <commit> <x-wing draft>/spec <commit>
// Keys and ciphertexts of ML-KEM and X-Wing that are only compared are kept as SHA-256: `ekSha256`, ….
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

type Case = Record<string, any>;

const [wycheproof = '', wycheproofCommit = '', draft = '', draftCommit = ''] =
  process.argv.slice(2);
const read = (folder: string, name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
const digest = (hex: string) => createHash('sha256').update(Buffer.from(hex, 'hex')).digest('hex');

function write(name: string, head: Case, cases: readonly Case[]): void {
  const lines = cases.map((each) => `  ${JSON.stringify(each)}`).join(',\n');
  const fields = Object.entries(head).map(
    ([key, value]) => ` ${JSON.stringify(key)}: ${JSON.stringify(value)}`,
  );
  const path = new URL(`./known/${name}.json`, import.meta.url);
  writeFileSync(path, `{\n${fields.join(',\n')},\n "cases": [\n${lines}\n ]\n}\n`);
}

/** Cases of every kind, in turns, until there are enough; a kind is at least once in it. */
function pick(cases: readonly Case[], kind: (each: Case) => string, wanted: number): Case[] {
  const kinds = new Map<string, Case[]>();
  for (const each of cases) kinds.set(kind(each), [...(kinds.get(kind(each)) ?? []), each]);
  const picked = new Set<Case>();
  for (let round = 0; picked.size < Math.min(wanted, cases.length) || round === 0; round++)
    for (const group of kinds.values()) {
      const each = group[Math.floor((round * group.length) / Math.min(group.length, wanted))];
      if (each && (round === 0 || picked.size < wanted)) picked.add(each);
    }
  return cases.filter((each) => picked.has(each));
}

const byFlags = ({ result, flags = [], kind = '' }: Case) => [result, ...flags, kind].join();

function wycheproofExtract(
  file: string,
  {
    wanted,
    shape,
    kind,
  }: { wanted: number; shape: (test: Case, group: Case) => Case; kind?: (test: Case) => string },
): void {
  const { algorithm, testGroups, numberOfTests } = read(wycheproof, `${file}.json`);
  const cases = testGroups.flatMap((group: Case) =>
    group.tests.map((test: Case) => ({ test, group, kind: kind?.(test) ?? '' })),
  );
  const picked = pick(cases, ({ test, kind }) => byFlags({ ...test, kind }), wanted);
  const head = {
    source: `C2SP/wycheproof, testvectors_v1/${file}.json, commit ${wycheproofCommit}`,
    licence: 'Apache-2.0',
    note: `an extract: ${picked.length} of ${numberOfTests}`,
    algorithm,
  };
  const common = ({ tcId, comment = '', flags = [], result }: Case) => ({
    tcId,
    comment,
    flags,
    result,
  });
  write(
    `wycheproof-${file.replace(/_test$/, '').replaceAll('_', '-')}`,
    head,
    picked.map(({ test, group }) => ({ ...common(test), ...shape(test, group) })),
  );
}

wycheproofExtract('x25519_test', {
  wanted: 40,
  shape: (test) => ({ public: test['public'], private: test['private'], shared: test['shared'] }),
});
wycheproofExtract('ed25519_test', {
  wanted: 40,
  shape: ({ msg, sig }, { publicKey }) => ({ pk: publicKey.pk, msg, sig }),
  kind: ({ sig }) => (sig.length === 128 ? '' : 'length'),
});
wycheproofExtract('xchacha20_poly1305_test', {
  wanted: 40,
  shape: ({ key, iv, aad, msg, ct, tag }) => ({ key, iv, aad, msg, ct, tag }),
});
const about = ({ comment = '' }: Case) => comment.replace(/ \d+$/, '');
wycheproofExtract('mlkem_768_keygen_seed_test', {
  wanted: 20,
  shape: ({ seed, ek, dk }) => ({ seed, ekSha256: digest(ek), dkSha256: digest(dk) }),
});
wycheproofExtract('mlkem_768_encaps_test', {
  wanted: 24,
  shape: ({ m, ek, c, K }) => ({ m, ek, cSha256: c && digest(c), K }),
  kind: about,
});
wycheproofExtract('mlkem_768_test', {
  wanted: 24,
  shape: ({ seed, ek, c, K }) => ({ seed, ekSha256: ek && digest(ek), c, K }),
  kind: about,
});

write(
  'x-wing',
  {
    source: `dconnolly/draft-connolly-cfrg-xwing-kem, spec/test-vectors.json, commit ${draftCommit}`,
    licence: 'Revised BSD (IETF Trust Legal Provisions: code components)',
    note: 'whole, but pk and ct as SHA-256',
  },
  read(draft, 'test-vectors.json').map(({ seed, eseed, ss, pk, ct }: Case) => ({
    seed,
    eseed,
    ss,
    pkSha256: digest(pk),
    ctSha256: digest(ct),
  })),
);

const RFC = 'Revised BSD (IETF Trust Legal Provisions: code components)';
write(
  'rfc7748',
  { source: 'RFC 7748, section 5.2', licence: RFC, note: 'without the 1,000,000th iteration' },
  [
    {
      scalar: 'a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4',
      u: 'e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c',
      out: 'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552',
    },
    {
      scalar: '4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d',
      u: 'e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493',
      out: '95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957',
    },
    { iterations: 1, out: '422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079' },
    { iterations: 1000, out: '684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51' },
  ],
);
write(
  'rfc8032',
  { source: 'RFC 8032, section 7.1', licence: RFC, note: 'tests 1 to 3 and SHA(abc)' },
  [
    {
      name: 'TEST 1',
      seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
      pk: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      msg: '',
      sig:
        'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555' +
        'fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    },
    {
      name: 'TEST 2',
      seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
      pk: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
      msg: '72',
      sig:
        '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da0' +
        '85ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    },
    {
      name: 'TEST 3',
      seed: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
      pk: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
      msg: 'af82',
      sig:
        '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac1' +
        '8ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
    },
    {
      name: 'TEST SHA(abc)',
      seed: '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
      pk: 'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
      msg:
        'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2' +
        '192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
      sig:
        'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b5890' +
        '9351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704',
    },
  ],
);
