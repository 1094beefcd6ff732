// An owner that does what he was asked and ends before he answers: asked again at the next one, nothing is
// done twice and the answer is the one that was due.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AGAIN } from '../../../src/cli/agent/again.ts';
import type { Agent, AgentEvent } from '../../../src/cli/agent/agent.ts';
import { House } from '../../../src/cli/agent/house.ts';
import { LocalAgent } from '../../../src/cli/agent/local.ts';
import { OwnerGone } from '../../../src/cli/agent/remote.ts';
import { type ArgsOf, type ResultOf, VERBS, type VerbName } from '../../../src/cli/agent/verbs.ts';
import { openMessenger } from '../../../src/client/messenger.ts';
import { newIdentity } from '../../../src/crypto/identity.ts';
import { randomBytes } from '../../../src/crypto/sodium.ts';
import { MemoryStore } from '../../client/memory.ts';
import { fails } from '../../keystore/tools.ts';
import { dialRelay, memoryPins, withRelay } from '../../relay.ts';
import { newId, up } from './world.ts';

/** Does the verb, and is gone. */
class Dying implements Agent {
  readonly me: Agent['me'];
  readonly #agent: Agent;
  readonly #verb: VerbName;

  constructor(agent: Agent, verb: VerbName) {
    this.me = agent.me;
    this.#agent = agent;
    this.#verb = verb;
  }

  async ask<N extends VerbName>(verb: N, ...args: ArgsOf<N>): Promise<ResultOf<N>> {
    const result = await this.#agent.ask(verb, ...args);
    if (verb === this.#verb) throw new OwnerGone();
    return result;
  }

  events(): AsyncIterableIterator<AgentEvent> {
    return this.#agent.events();
  }

  async close(): Promise<void> {}
}

interface Scene {
  readonly agent: Agent;
  /** Who the relay says 'bob' is. */
  lie(key: string): void;
  lost<N extends VerbName>(verb: N, ...args: ArgsOf<N>): Promise<ResultOf<N>>;
}

const BOB = newIdentity().hex;
const MALLORY = newIdentity().hex;

function scene(body: (scene: Scene) => Promise<void>): () => Promise<void> {
  return () =>
    withRelay(async ({ port }) => {
      const identity = newIdentity();
      let named = BOB;
      const pins = memoryPins();
      const dial = async () => {
        const link = await dialRelay(port, { identity, pins });
        const find = async () => ({ key: named, aliases: ['bob'], lastSeen: 0 });
        Object.assign(link.directory as object, { find });
        return link;
      };
      const store = new MemoryStore();
      const own = { identity, storeKey: randomBytes(32), store, dial, tickMs: null };
      const messenger = await openMessenger(own);
      const agent = new LocalAgent({ name: 'alice', key: identity.hex }, messenger, async () => {});
      await up(agent);
      const lost = <N extends VerbName>(verb: N, ...args: ArgsOf<N>) =>
        new House(new Dying(agent, verb), async () => agent).ask(verb, ...args);
      try {
        const lie = (key: string) => {
          named = key;
        };
        await body({ agent, lost, lie });
      } finally {
        await agent.close();
      }
    });
}

const test = suite('cli: asked again');

test('every verb is decided', () => {
  assert.equal(Object.keys(AGAIN).sort(), Object.keys(VERBS).sort());
});

test(
  'people',
  scene(async ({ agent, lost, lie }) => {
    assert.is((await lost('add', BOB, 'bobby')).name, 'bobby');
    assert.is((await lost('resolve', 'bobby')).key, BOB);
    assert.is((await lost('rename', 'bobby', 'robert')).name, 'robert');
    assert.is((await lost('block', 'robert', true)).blocked, true);
    assert.is((await lost('verify', 'robert', true)).verified, true);
    await lost('remove', 'robert');
    assert.is(await agent.ask('contact', BOB), null);
    await fails(() => lost('remove', 'robert'), 'contact-unknown');
    await agent.ask('add', 'bob', null);
    lie(MALLORY);
    assert.is((await agent.ask('add', 'bob', null)).changedTo, MALLORY);
    assert.is((await lost('trust', 'bob', true)).key, MALLORY);
    assert.is((await agent.ask('contact', 'bob'))?.key, MALLORY);
    await fails(() => lost('trust', 'bob', true), 'bad-input');
  }),
);

test(
  'messages',
  scene(async ({ agent, lost }) => {
    const id = newId();
    await lost('send', BOB, { body: 'once' }, id);
    const history = await agent.ask('history', BOB, {});
    assert.equal(
      history.map(({ body }) => body),
      ['once'],
    );
    assert.ok(await lost('state', BOB, id));
    assert.equal(await lost('history', BOB, {}), history);
    await lost('read', BOB, null);
  }),
);

test(
  'what cannot be asked again',
  scene(async ({ agent, lost }) => {
    await agent.ask('add', BOB, 'bob');
    assert.is(await lost('sign', 'bob', 'typing'), false);
    await agent.ask('register', 'alice');
    assert.equal((await lost('register', 'alice2')).aliases, ['alice', 'alice2']);
    await fails(() => lost('unregister', 'alice2'), 'connection-lost', "'unregister'");
    assert.equal((await agent.ask('register', 'alice')).aliases, ['alice']);
  }),
);

test.run();
