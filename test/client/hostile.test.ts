// Messengers and a relay that is against them, or strangers who are: the user hears the right thing, nothing
// that was said is on the wire, and what is lost comes another time.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newIdentity } from '../../src/crypto/identity.ts';
import { randomBytes, sign } from '../../src/crypto/sodium.ts';
import { MAX_GEN } from '../../src/fe1/constants.ts';
import { encodeContent } from '../../src/fe1/content.ts';
import { initiate } from '../../src/fe1/handshake.ts';
import { makeSignedPrekey, parseOneTimePrekey, parseSignedPrekey } from '../../src/fe1/prekeys.ts';
import { encrypt } from '../../src/fe1/ratchet.ts';
import { fromBase64url, toBase64url, toHex, view } from '../../src/lib/bytes.ts';
import { datums, encodeFrame, MESSAGE } from '../../src/protocols/flexim/wire.ts';
import type { Link } from '../../src/protocols/protocol.ts';
import { status } from '../hostile-relay.ts';
import { dialRelay, startRelay, withRelay } from '../relay.ts';
import { until } from '../scene.ts';
import { bodyOf, type Tamper, type Wiretap, withWiretap } from '../wiretap.ts';
import { Person, withPeople } from './person.ts';

const test = suite('client: a hostile relay');
const settled = (...people: Person[]) =>
  until(() => people.every(({ me }) => me.status.unsettled === 0), 'every receipt');
const SECRET = 'a text that nobody else may read';

function withWire(body: (wire: Wiretap, port: number) => Promise<void>): Promise<void> {
  return withRelay(({ port }) => withWiretap(port, (wire) => body(wire, port)));
}

/** Changes the answers to a command, record by record. */
function answers(
  cmd: string,
  change: (payload: readonly string[]) => readonly string[] | null,
): Tamper {
  return (frame) => {
    if (datums.nameOf(frame[0] as number) !== 'Command') return [frame];
    const datum = datums.unpack('Command', bodyOf(frame));
    if (datum.cmd !== cmd) return [frame];
    const payload = change(datum.payload);
    return [
      payload ? encodeFrame('Command', { cmd, payload: [...payload] }) : status(-3, 'no-bundle'),
    ];
  };
}

test('of a whole conversation nothing can be read on the wire, nor who it is from', () =>
  withWire(async (wire) => {
    const [alice, bob] = [new Person({ port: wire.port }), new Person({ port: wire.port })];
    await (await bob.open()).up();
    const before = wire.down.length;
    await (await alice.open()).up();
    await alice.me.contacts.add(bob.key, { name: 'robert-the-bruce' });
    for (let i = 0; i < 3; i++) {
      await alice.me.send(bob.key, `${SECRET} ${i}`);
      await settled(alice);
      await bob.me.send(alice.key, `${SECRET} back ${i}`);
      await settled(bob);
    }
    assert.is(bob.got(alice).length + alice.got(bob).length, 6);
    for (const text of [SECRET, 'robert-the-bruce']) assert.not.ok(wire.has(text), text);
    // What bob is sent does not name alice, in whatever form.
    const frames = wire.down.slice(before).filter((frame) => frame[0] === MESSAGE);
    const toBob = frames.filter((frame) => frame.includes(bob.key));
    assert.ok(toBob.length >= 6);
    const { exchange, signing } = alice.identity;
    for (const key of [exchange.publicKey, signing.publicKey])
      for (const form of [view(key), toHex(key), toBase64url(key)])
        assert.not.ok(toBob.some((frame) => frame.includes(form)));
    await Promise.all([alice.close(), bob.close()]);
  }));

const swaps: Readonly<Record<string, (spr: Uint8Array) => Uint8Array>> = {
  'a bundle of his own': (spr) => {
    const { install = randomBytes(16), seq = 1 } = parseSignedPrekey(spr) ?? {};
    const options = { install, seq: seq + 1, expires: 4e9, spkId: 9 };
    return makeSignedPrekey(newIdentity(), options, randomBytes).record.bytes;
  },
  'another signed prekey in it': (spr) => spr.map((byte, i) => (i >= 108 && i < 140 ? 7 : byte)),
  'another signing key': (spr) => spr.map((byte, i) => (i === 71 ? byte ^ 0x80 : byte)),
  'a later sequence number': (spr) => spr.map((byte, i) => (i === 95 ? byte ^ 1 : byte)),
  'half of it': (spr) => spr.subarray(0, 700),
};

for (const [what, swap] of Object.entries(swaps))
  test(`the relay gives ${what}: bundle-rejected, and nothing leaves`, () =>
    withWire(async (wire, port) => {
      const bob = await (await new Person({ port }).open()).up();
      const alice = await (await new Person({ port: wire.port }).open()).up();
      wire.tamper = answers('FE1_GET', ([spr = '', ...rest]) => [
        toBase64url(swap(fromBase64url(spr) as Uint8Array)),
        ...rest,
      ]);
      const asked = wire.up.length;
      const id = await alice.me.send(bob.key, SECRET);
      await until(() => alice.codes().includes('bundle-rejected'), 'told');
      const warning = alice.events.find(({ kind }) => kind === 'warning');
      assert.is(warning?.kind === 'warning' && warning.peer, bob.key);
      assert.is(alice.me.stateOf(bob.key, id), 'queued');
      assert.not.ok(Buffer.concat(wire.up.slice(asked)).includes('FE1\x01'), 'an INIT left');
      assert.not.ok(wire.has(SECRET));
      wire.tamper = (frame) => [frame];
      await alice.close();
      await (await alice.open()).up();
      await settled(alice);
      assert.equal(bob.got(alice), [SECRET]);
      await Promise.all([alice.close(), bob.close()]);
    }));

test('the relay withholds prekeys: no-bundle, and the message goes when it gives them', () =>
  withWire(async (wire, port) => {
    const bob = await (await new Person({ port }).open()).up();
    const alice = await (await new Person({ port: wire.port }).open()).up();
    wire.tamper = answers('FE1_GET', () => null);
    await alice.me.send(bob.key, SECRET);
    await until(() => alice.codes().includes('no-bundle'), 'told');
    wire.tamper = (frame) => [frame];
    await alice.close();
    await (await alice.open()).up();
    await settled(alice);
    assert.equal(bob.got(alice), [SECRET]);
    await Promise.all([alice.close(), bob.close()]);
  }));

test('the relay drops every other message, either way: all come in the end, once each', () =>
  withWire(async (wire) => {
    let now = Math.floor(Date.now() / 1_000);
    const options = { port: wire.port, clock: { wall: () => now } };
    const [alice, bob] = [new Person(options), new Person(options)];
    await Promise.all([alice.open(), bob.open()]);
    await Promise.all([alice.up(), bob.up()]);
    let count = 0;
    wire.tamper = (frame) => (frame[0] === MESSAGE && count++ % 2 === 0 ? [] : [frame]);
    for (let i = 0; i < 5; i++) {
      await alice.me.send(bob.key, `a${i}`);
      await bob.me.send(alice.key, `b${i}`);
    }
    const isSettled = () => alice.me.status.unsettled + bob.me.status.unsettled === 0;
    for (let hour = 0; hour < 300 && !isSettled(); hour++) {
      let turns = 0;
      await until(() => isSettled() || turns++ > 200, 'some turns');
      now += 3_600;
      await Promise.all([alice.me.tick(), bob.me.tick()]);
    }
    assert.ok(count > 20);
    const all = (letter: string) => Array.from({ length: 5 }, (_, i) => letter + i);
    assert.equal((bob.got(alice) as string[]).toSorted(), all('a'));
    assert.equal((alice.got(bob) as string[]).toSorted(), all('b'));
    await Promise.all([alice.close(), bob.close()]);
  }));

test('another relay in the place of ours: its key is not the one that was pinned, and we stay away', async () => {
  const first = await startRelay();
  const alice = await (await new Person({ port: first.port }).open()).up();
  await first.stop();
  const other = await startRelay({ port: first.port });
  const visitor = await dialRelay(first.port);
  await until(() => alice.codes().includes('relay-key-changed'), 'told');
  const downs = alice.events.filter((event) => event.kind === 'down');
  const last = downs.at(-1);
  assert.is(last?.kind === 'down' && last.retryMs, null, 'no further try by itself');
  assert.is(await visitor.directory?.find(alice.key), null, 'it does not know her');
  await Promise.all([alice.close(), visitor.close()]);
  await other.stop();
});

/** Somebody who speaks FE1 by hand, to alice. */
async function stranger(
  link: Link,
  identity: ReturnType<typeof newIdentity>,
  alice: Person,
  gen: number,
) {
  const got = await link.prekeys?.fetch(alice.key);
  const spr = got && parseSignedPrekey(got.spr);
  if (!got || !spr) throw new Error('no bundle');
  const otk = got.otk && parseOneTimePrekey(got.otk);
  const options = { identity, install: randomBytes(16), gen: 1, spr, otk };
  const session = initiate(options, randomBytes);
  const content = encodeContent({ kind: 'gen', gen });
  return encrypt(session, content, randomBytes).envelope;
}

test('a stranger who uses up his generations, or leaves prekeys that are of no use: nobody else notices', () =>
  withRelay(({ port }) =>
    withPeople(port, async (alice, bob) => {
      for (const gen of [MAX_GEN - 1, 5]) {
        const identity = newIdentity();
        const link = await dialRelay(port, { identity });
        const options = { install: randomBytes(16), seq: 9, expires: 4e9, spkId: 9 };
        const { bytes } = makeSignedPrekey(identity, options, randomBytes).record;
        const body = bytes.subarray(0, -64).map((byte, i) => (i >= 108 && i < 140 ? 0 : byte));
        const signature = sign('flexim/fe1/spr', body, identity.signing);
        await link.prekeys?.publish(Buffer.concat([body, signature]), []);
        const heard = alice.me.status.counts['GEN heeded'] ?? 0;
        link.send(alice.key, await stranger(link, identity, alice, gen));
        await until(() => (alice.me.status.counts['GEN heeded'] ?? 0) > heard, 'GEN');
        await alice.me.tick();
        await link.close();
      }
      await until(() => alice.codes().includes('bundle-rejected'), 'told of the useless prekeys');
      await alice.me.send(bob.key, 'still here');
      await settled(alice);
      assert.equal(bob.got(alice), ['still here']);
      assert.equal(
        alice.events.filter(({ kind }) => kind === 'down'),
        [],
      );
    }),
  ));

test.run();
