// A link's prekeys: bytes at the seam, texts on the wire, against a real relay and a lying one.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newIdentity } from '../../../src/crypto/identity.ts';
import { randomBytes } from '../../../src/crypto/sodium.ts';
import { makeOneTimePrekey, makeSignedPrekey } from '../../../src/fe1/prekeys.ts';
import { encodeFrame } from '../../../src/protocols/flexim/wire.ts';
import { status } from '../../hostile-relay.ts';
import { dialRelay, startRelay, withRelay } from '../../relay.ts';
import { until } from '../../scene.ts';
import { codeOf, withLink } from './links.ts';

const alice = newIdentity();
const install = randomBytes(16);

function records(seq: number, otks: number, first = 1) {
  const options = { install, seq, expires: 2_000_000_000, spkId: 7 };
  const spr = makeSignedPrekey(alice, options, randomBytes).record.bytes;
  const all = Array.from({ length: otks }, (_, i) =>
    makeOneTimePrekey(alice, { install, otkId: first + i }, randomBytes),
  );
  return { spr, otks: all.map(({ record }) => record.bytes) };
}

const test = suite('link: prekeys');

test('what was published is fetched, one-time records once each', () =>
  withRelay(async ({ port }) => {
    const mine = await dialRelay(port, { identity: alice });
    const his = await dialRelay(port);
    const [own, other] = [mine.prekeys, his.prekeys];
    if (!own || !other) return assert.unreachable('no prekeys');
    assert.is(await other.peek(alice.hex), null);
    assert.is(await other.fetch(alice.hex), null);
    const { spr, otks } = records(1, 2);
    assert.is(await own.publish(spr, otks), 2);
    assert.is(await own.count(), 2);
    assert.equal(await other.peek(alice.hex), spr);
    assert.equal(await other.fetch(alice.hex), { spr, otk: otks[0] });
    assert.equal(await other.fetch(alice.hex), { spr, otk: otks[1] });
    assert.equal(await other.fetch(alice.hex), { spr, otk: null });
    assert.is(await own.count(), 0);
    assert.is(await codeOf(own.publish(records(1, 0).spr, [])), 'command-refused');
    await Promise.all([mine.close(), his.close()]);
  }));

for (const [what, answer] of [
  ['a number that is none', status(0, 'many')],
  ['records that are no base64url', encodeFrame('Command', { cmd: 'FE1_PEEK', payload: ['=='] })],
  ['no record at all', encodeFrame('Command', { cmd: 'FE1_PEEK', payload: [] })],
  ['the answer to something else', encodeFrame('Command', { cmd: 'FE1_GET', payload: ['AAAA'] })],
] as const)
  test(`a lying relay: ${what}`, () =>
    withLink(
      {
        answer: ({ socket }, { cmd }) => {
          if (cmd !== 'BYE') return answer;
          socket.end();
          return null;
        },
      },
      async (link) => {
        const peeked = link.prekeys?.peek(alice.hex);
        if (what === 'no record at all') assert.equal(await peeked, new Uint8Array(0));
        else assert.is(await codeOf(peeked as Promise<unknown>), 'protocol-violation');
        if (what === 'a number that is none')
          assert.is(await codeOf(link.prekeys?.count() as Promise<unknown>), 'protocol-violation');
      },
    ));

test('numbers of messages go on over a reconnect, and so do those of events', async () => {
  const first = await startRelay();
  const identity = newIdentity();
  const absent = await dialRelay(first.port);
  const to = absent.self.key;
  await absent.close();
  const link = await dialRelay(first.port, { identity, reconnect: { minMs: 1, maxMs: 20 } });
  const seen: string[] = [];
  const listening = (async () => {
    for await (const event of link.events())
      seen.push('n' in event ? `${event.kind} ${event.n}` : event.kind);
  })();
  assert.is(link.send(to, randomBytes(8)), 1);
  assert.is(link.send(to, randomBytes(8)), 2);
  await until(() => seen.includes('queued 2'), 'queued 2');
  await link.ping();
  await first.stop();
  const second = await startRelay({ port: first.port, identity: first.identity });
  await until(() => seen.filter((each) => each === 'up').length === 2, 'up again');
  assert.is(link.send(identity.hex, randomBytes(8)), 3);
  assert.is(link.send('f'.repeat(64), randomBytes(8)), 4);
  await until(() => seen.some((each) => each.startsWith('unknown')), 'an event');
  assert.ok(seen.includes('unknown 4'), seen.join(', '));
  await link.close();
  await listening;
  await second.stop();
});

test.run();
