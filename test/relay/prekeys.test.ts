// The prekeys at the relay: docs/protocols/fe1.md §4.5, rule by rule, on paper and over real sockets.

import { decode } from '@msgpack/msgpack';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Identity, newIdentity } from '../../src/crypto/identity.ts';
import { randomBytes } from '../../src/crypto/sodium.ts';
import { makeOneTimePrekey, makeSignedPrekey } from '../../src/fe1/prekeys.ts';
import { toBase64url } from '../../src/lib/bytes.ts';
import { OTKS_AT_ONCE, OTKS_HELD, Prekeys } from '../../src/relay/prekeys.ts';
import { newKeys, type Peer, statusOf, TYPE } from '../peer.ts';
import { scene } from '../scene.ts';
import { mapStore } from './map-store.ts';

const INSTALL = new Uint8Array(16).fill(1);

interface Maker {
  readonly key: string;
  spr(seq: number, install?: Uint8Array): string;
  otk(id: number, install?: Uint8Array): string;
}

function maker(identity: Identity = newIdentity()): Maker {
  const text = ({ record }: { record: { bytes: Uint8Array } }) => toBase64url(record.bytes);
  const made = new Map<string, string>(); // the same numbers give the same record
  const once = (name: string, make: () => string) => {
    if (!made.has(name)) made.set(name, make());
    return made.get(name) as string;
  };
  return {
    key: identity.hex,
    spr: (seq, install = INSTALL) =>
      once(`s${seq} ${install}`, () =>
        text(makeSignedPrekey(identity, { install, seq, expires: 9e9, spkId: 1 }, randomBytes)),
      ),
    otk: (otkId, install = INSTALL) =>
      once(`o${otkId} ${install}`, () =>
        text(makeOneTimePrekey(identity, { install, otkId }, randomBytes)),
      ),
  };
}

const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);
const paper = suite('prekeys');

paper('what is put is given: the bundle with each one-time prekey once, then without', async () => {
  const [bob, prekeys] = [maker(), new Prekeys(mapStore())];
  assert.is(await prekeys.get(bob.key), null);
  assert.is(prekeys.peek(bob.key), null);
  assert.is(await prekeys.put(bob.key, [bob.spr(5), ...range(1, 3).map((n) => bob.otk(n))]), 3);
  assert.is(prekeys.peek(bob.key), bob.spr(5));
  const given = await Promise.all(range(0, 5).map(() => prekeys.get(bob.key)));
  const otks = given.map((bundle) => bundle?.otk);
  assert.equal(otks, [bob.otk(1), bob.otk(2), bob.otk(3), null, null]);
  for (const bundle of given) assert.is(bundle?.spr, bob.spr(5));
  assert.is(prekeys.count(bob.key), 0);
});

paper('seq grows, or the record is the same; a refused put changes nothing', async () => {
  const [bob, prekeys] = [maker(), new Prekeys(mapStore())];
  await prekeys.put(bob.key, [bob.spr(5), bob.otk(1)]);
  const other = new Uint8Array(16).fill(2);
  for (const spr of [bob.spr(4), bob.spr(5, other), bob.spr(0)])
    assert.is(await prekeys.put(bob.key, [spr]), 'stale-seq');
  assert.is(prekeys.peek(bob.key), bob.spr(5));
  assert.is(prekeys.count(bob.key), 1);
  assert.is(await prekeys.put(bob.key, [bob.spr(5), bob.otk(2)]), 2, 'refilled');
  assert.is(await prekeys.put(bob.key, [bob.spr(6)]), 2, 'a newer record keeps what is held');
  assert.is(await prekeys.put(bob.key, [bob.spr(7, other), bob.otk(9, other)]), 1, 'a new store');
  assert.is((await prekeys.get(bob.key))?.otk, bob.otk(9, other));
});

paper('100 are held, 32 come at once, one that is held is passed over', async () => {
  const [bob, prekeys] = [maker(), new Prekeys(mapStore())];
  const put = (ids: number[]) => prekeys.put(bob.key, [bob.spr(1), ...ids.map((n) => bob.otk(n))]);
  assert.is(await put(range(1, OTKS_AT_ONCE)), 32);
  assert.is(await put(range(1, OTKS_AT_ONCE)), 32);
  assert.is(await put(range(100, OTKS_AT_ONCE + 1)), 'bad-record');
  for (const start of [100, 200, 300]) await put(range(start, OTKS_AT_ONCE));
  assert.is(prekeys.count(bob.key), OTKS_HELD);
});

paper(
  'records that are not what they should be are refused, and nothing of them is kept',
  async () => {
    const [bob, eve, prekeys] = [maker(), maker(), new Prekeys(mapStore())];
    const cut = (text: string) => text.slice(0, -4);
    const changed = (text: string) => `S${text.slice(1)}`;
    const other = new Uint8Array(16).fill(2);
    for (const records of [
      [],
      [''],
      ['!'],
      [cut(bob.spr(1))],
      [`${bob.spr(1)}AAAA`],
      [`${bob.spr(1)}=`],
      [changed(bob.spr(1))],
      [bob.otk(1)],
      [bob.spr(1), bob.spr(1)],
      [bob.spr(1), cut(bob.otk(1))],
      [bob.spr(1), changed(bob.otk(1))],
      [bob.spr(1), bob.otk(0)],
      [bob.spr(1), bob.otk(1, other)],
      [bob.spr(1), eve.otk(1)],
      [bob.spr(1), bob.otk(1), ''],
    ])
      assert.is(await prekeys.put(bob.key, records), 'bad-record');
    assert.is(await prekeys.put(eve.key, [bob.spr(1)]), 'foreign-key');
    assert.is(prekeys.peek(bob.key), null);
    assert.is(prekeys.count(bob.key), 0);
  },
);

paper('one user has nothing to do with another', async () => {
  const [bob, eve, prekeys] = [maker(), maker(), new Prekeys(mapStore())];
  await prekeys.put(bob.key, [bob.spr(1), bob.otk(1)]);
  await prekeys.put(eve.key, [eve.spr(1), eve.otk(1), eve.otk(2)]);
  assert.equal([prekeys.count(bob.key), prekeys.count(eve.key)], [1, 2]);
  await prekeys.get(bob.key);
  assert.is((await prekeys.get(bob.key))?.otk, null);
  assert.is((await prekeys.get(eve.key))?.otk, eve.otk(1));
});

paper.run();

// ---- over the wire ----

const wire = suite('prekeys: commands');

/** Keys of a peer, and an identity with the same X would be a fluke: records are made by their holes. */
function recordsOf(hex: string) {
  const spr = Buffer.alloc(1_420);
  spr.write('FE1P');
  spr.set(Buffer.from(hex, 'hex'), 8);
  spr.writeBigUInt64BE(7n, 88);
  const otk = (id: number) => {
    const record = Buffer.alloc(1_336);
    record.write('FE1O');
    record.set(Buffer.from(hex, 'hex'), 4);
    record.writeUInt32BE(id, 52);
    return record.toString('base64url');
  };
  return { spr: spr.toString('base64url'), otk };
}

async function bundle(peer: Peer, cmd: string, key: string): Promise<string[]> {
  const { type, body } = await peer.ask(cmd, key);
  assert.is(type, TYPE.Command);
  const answer = decode(body) as { cmd: string; payload: string[] };
  assert.is(answer.cmd, cmd);
  return answer.payload;
}

wire(
  'put, count, peek, get; a restart keeps them; other keys and no keys',
  scene(async ({ member }) => {
    const [alice, bob] = [await member(), await member()];
    const { spr, otk } = recordsOf(bob.hex);
    const put = await bob.peer.ask('FE1_PUT', spr, ...range(1, 32).map(otk));
    assert.equal(statusOf(put), { status: 0, payload: '32' });
    assert.equal(await bundle(alice.peer, 'FE1_PEEK', bob.hex), [spr]);
    assert.equal(await bundle(alice.peer, 'FE1_GET', bob.hex.toUpperCase()), [spr, otk(1)]);
    assert.equal(statusOf(await bob.peer.ask('FE1_COUNT')), { status: 0, payload: '31' });
    assert.equal(statusOf(await alice.peer.ask('FE1_COUNT')), { status: 0, payload: '0' });
    for (const who of ['', 'bob', newKeys().hex, alice.hex])
      for (const cmd of ['FE1_GET', 'FE1_PEEK']) {
        const { status, payload } = statusOf(await alice.peer.ask(cmd, who));
        assert.equal([status, payload.split(' ')[0]], [-3, 'no-bundle']);
      }
    const wrong = statusOf(await alice.peer.ask('FE1_PUT', spr));
    assert.equal([wrong.status, wrong.payload.split(' ')[0]], [-2, 'foreign-key']);
    const bad = statusOf(await bob.peer.ask('FE1_PUT', spr, 'x'));
    assert.equal([bad.status, bad.payload.split(' ')[0]], [-2, 'bad-record']);
    const older = Buffer.from(spr, 'base64url');
    older[95] = 6;
    const stale = statusOf(await bob.peer.ask('FE1_PUT', older.toString('base64url')));
    assert.equal([stale.status, stale.payload.split(' ')[0]], [-5, 'stale-seq']);
  }),
);

wire(
  'fetching is limited for a key, and for a key with another; others are not touched',
  scene(
    async ({ relay, member }) => {
      const [alice, bob, carol, dave] = [
        await member(),
        await member(),
        await member(),
        await member(),
      ];
      for (const { peer, hex } of [bob, carol]) {
        const { spr, otk } = recordsOf(hex);
        await peer.ask('FE1_PUT', spr, ...range(1, 8).map(otk));
      }
      const slow = async (peer: Peer, key: string) => {
        const { status, payload } = statusOf(await peer.ask('FE1_GET', key));
        assert.is(status, -6);
        assert.match(payload, /^[1-9]\d* slow-down /);
      };
      for (const n of [1, 2])
        await bundle(alice.peer, 'FE1_GET', bob.hex).then((b) => assert.is(b.length, 2, `${n}`));
      await slow(alice.peer, bob.hex);
      await bundle(alice.peer, 'FE1_GET', carol.hex);
      await slow(alice.peer, carol.hex);
      await bundle(alice.peer, 'FE1_PEEK', bob.hex);
      await bundle(dave.peer, 'FE1_GET', bob.hex);
      assert.is(relay.relay.drops.of('fetch-fast'), 2);
      assert.is(relay.relay.prekeys.count(bob.hex), 5, 'what was refused took nothing');
    },
    { limits: { fetchesPerHour: 3, fetchesOfOnePerHour: 2 } },
  ),
);

wire.run();
