// The same messenger, the same FE1, over nodes alone: nothing leaves the outbox but by a receipt.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../../scene.ts';
import { Peer } from './people.ts';

const test = suite('enclave: messengers');

async function withTwo(body: (alice: Peer, bob: Peer) => Promise<void>): Promise<void> {
  const [alice, bob] = [new Peer(0, ''), new Peer(0, '')];
  try {
    await bob.open();
    await bob.up();
    bob.writes(`alice 127.0.0.1:0 ${alice.key}\n`);
    alice.writes(`bob 127.0.0.1:${bob.port} ${bob.key}\n`);
    await body(alice, bob);
  } finally {
    await Promise.all([alice.close(), bob.close()]);
  }
}

test('two people talk with no relay at all; receipts come, and keys are proven', () =>
  withTwo(async (alice, bob) => {
    await alice.open();
    await until(() => alice.link?.node.has(bob.key) === true, 'there');
    await alice.me.send('bob', 'hello');
    await until(() => bob.got(alice).length === 1, 'hello');
    await bob.me.send('alice', 'hi');
    await until(() => alice.got(bob).length === 1, 'hi');
    await until(() => alice.me.status.unsettled + bob.me.status.unsettled === 0, 'receipts');
    const shown = () => alice.link?.node.friends[0];
    await until(() => shown()?.isProven === true, 'proven');
    assert.is(alice.me.contacts.get('bob')?.key, bob.key);
    assert.is(alice.me.status.oneTimeKeys, 0, 'nobody would ever use one');
  }));

test('what is written to one who is away goes out when he comes, once', () =>
  withTwo(async (alice, bob) => {
    await alice.open();
    await until(() => alice.link?.node.has(bob.key) === true, 'there');
    await alice.me.send('bob', 'one');
    await until(() => bob.got(alice).length === 1, 'one');
    await bob.close();
    await until(() => alice.link?.node.has(bob.key) === false, 'gone');
    await alice.me.send('bob', 'two');
    await alice.me.send('bob', 'three');
    assert.is(alice.me.stateOf('bob', await alice.me.send('bob', 'four')), 'queued');
    await bob.open();
    await until(() => bob.got(alice).length === 4, 'four');
    assert.equal(bob.got(alice), ['one', 'two', 'three', 'four']);
    await until(() => alice.me.status.unsettled === 0, 'receipts');
  }));

test('either side is killed again and again: nothing is lost, nothing comes twice', () =>
  withTwo(async (alice, bob) => {
    await alice.open();
    const said: string[] = [];
    for (let round = 0; round < 6; round++) {
      for (let n = 0; n < 5; n++) {
        const text = `${round}.${n}`;
        said.push(text);
        await alice.me.send(bob.key, text);
      }
      const victim = round % 2 === 0 ? alice : bob;
      await victim.crash();
      await victim.open();
    }
    await until(() => bob.got(alice).length >= said.length, 'all of it');
    assert.equal([...bob.got(alice)].sort(), [...said].sort());
    await until(() => alice.me.status.unsettled === 0, 'receipts');
  }));

test.run();
