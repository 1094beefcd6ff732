// Guests that are broken, hostile, slow, or of another version: the owner stays what he is.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { admit } from '../../../src/cli/agent/admit.ts';
import type { Agent } from '../../../src/cli/agent/agent.ts';
import { Guest } from '../../../src/cli/agent/guest.ts';
import { Host, type HostLimits, LIMITS } from '../../../src/cli/agent/host.ts';
import { encodeArgs } from '../../../src/cli/agent/values.ts';
import type { ArgsOf, VerbName } from '../../../src/cli/agent/verbs.ts';
import { frame, HOUSE, unpack } from '../../../src/cli/agent/wire.ts';
import { parseAddress } from '../../../src/lib/address.ts';
import type { Channel } from '../../../src/net/channel.ts';
import { encode } from '../../../src/wire/msgpack.ts';
import { turn } from '../../channel.ts';
import { BOB, Caller, eventsIn, offlineAgent } from './offline.ts';
import { newId, until } from './world.ts';

const RELAY = parseAddress('127.0.0.1:4321');

interface Scene {
  readonly agent: Agent;
  call(): Caller;
  member(): Promise<Caller>;
}

function hosted(
  body: (scene: Scene) => Promise<void>,
  { limits = {}, againMs }: { limits?: Partial<HostLimits>; againMs?: number } = {},
): () => Promise<void> {
  return async () => {
    const agent = await offlineAgent(againMs === undefined ? {} : { againMs });
    const own = { key: agent.me.key, pid: 7, relay: RELAY, relayKey: null };
    let accept: (channel: Channel) => void = () => {};
    const host = await Host.open(agent, {
      listen: async (take) => {
        accept = take;
        return { close: async () => {} };
      },
      admit: (hello) => admit(hello, own),
      limits,
    });
    const call = () => {
      const caller = new Caller(agent.me.key);
      accept(caller.channel);
      return caller;
    };
    const member = async () => {
      const caller = call();
      caller.hello();
      assert.equal(
        (await caller.take()).map(({ name }) => name).filter((name) => name !== 'event'),
        ['welcome'],
      );
      return caller;
    };
    try {
      await body({ agent, call, member });
    } finally {
      await host.close();
    }
  };
}

let n = 0;
function ask<N extends VerbName>(verb: N, ...args: ArgsOf<N>): Buffer {
  return frame('ask', { n: n++, verb, args: encodeArgs(verb, args) });
}

const test = suite('cli: guests of a profile');

test(
  'answers in any order of bytes: whole, one by one, two in a chunk',
  hosted(async ({ member }) => {
    const caller = await member();
    const [one, two] = [ask('contacts'), ask('status')];
    for (const byte of one) caller.channel.feed(Uint8Array.of(byte));
    caller.channel.feed(two, ask('unread'));
    assert.equal(
      (await caller.take()).map(({ name }) => name),
      ['answer', 'answer', 'answer'],
    );
  }),
);

test(
  'bytes that are no hello, or too many, or nothing: cut',
  hosted(
    async ({ call, member }) => {
      const huge = Buffer.from([1, 0x7f, 0xff, 0xff, 0xff]);
      const long = Buffer.from([1, 0, 0, 0x20, 0]); // 8 KiB before a hello
      const wrong = frame('hello', { house: 'x', verbs: '', key: '', relay: null } as never);
      for (const bytes of [
        huge,
        long,
        wrong,
        ask('contacts'),
        frame('ping', {}),
        Buffer.alloc(9),
      ]) {
        const caller = call();
        caller.channel.feed(bytes);
        assert.ok(caller.isCut, bytes.toString('hex'));
        assert.is(caller.channel.writes.length, 0);
      }
      const silent = call();
      await until(() => silent.isCut, 'cut for its silence');
      const caller = await member();
      caller.channel.feed(huge);
      assert.ok(caller.isCut);
    },
    { limits: { helloMs: 20 } },
  ),
);

test(
  'another version, another identity, another relay: told why, and shown out',
  hosted(async ({ call }) => {
    const cases = [
      [{ house: HOUSE + 1 }, 'other-version'],
      [{ verbs: 'fewer' }, 'other-version'],
      [{ key: BOB }, 'protocol-violation'],
      [{ relay: 'elsewhere:4321' }, 'other-relay'],
      [{ relay: 'flexim://127.0.0.1:7776?transport=enclave' }, 'other-relay'],
      [{ relay: 'no relay' }, 'bad-address'],
    ] as const;
    for (const [some, code] of cases) {
      const caller = call();
      caller.hello(some);
      const [first, ...rest] = await caller.take();
      assert.is(first?.name, 'bye');
      assert.is(unpack('bye', first?.body as Buffer).code, code);
      assert.is(rest.length, 0);
      assert.ok(caller.channel.calls.includes('end'));
    }
  }),
);

test(
  'requests that are none are refused one by one',
  hosted(async ({ member }) => {
    const caller = await member();
    const bad = (verb: string, args: unknown) =>
      frame('ask', { n: n++, verb, args: encode(args).slice() });
    const requests = [
      bad('close', []),
      bad('__proto__', []),
      bad('toString', []),
      bad('contact', []),
      bad('contact', [7]),
      bad('contact', ['a', 'b']),
      bad('contact', ['x'.repeat(1_001)]),
      bad('send', ['bob', { body: 'not packed' }, newId()]),
      bad('send', ['bob', { body: Uint8Array.of(0xc1) }, newId()]),
      bad('history', ['bob', { limit: 1e9 }]),
      bad('sign', ['bob', 'shouting']),
      frame('ask', { n: n++, verb: 'contacts', args: Uint8Array.of(0x91) }),
    ];
    caller.channel.feed(...requests, ask('contacts'));
    const frames = await caller.take();
    const codes = frames.map(({ name, body }) =>
      name === 'refusal' ? unpack('refusal', body).code : name,
    );
    assert.equal(codes, [...requests.map(() => 'malformed'), 'answer']);
  }),
);

test(
  'bytes of any kind harm nobody else',
  hosted(async ({ member, call }) => {
    const good = await member();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, isIn) => {
        const caller = call();
        if (isIn) caller.hello();
        if (!caller.isCut) caller.channel.feed(bytes);
        const tagged = Buffer.concat([Uint8Array.of(bytes[0] ?? 4, 0, 0, 0, bytes.length), bytes]);
        if (!caller.isCut) caller.channel.feed(tagged);
        await turn();
        if (!caller.isCut) caller.channel.reset();
      }),
      { numRuns: 300 },
    );
    good.channel.feed(ask('contacts'));
    assert.equal(
      (await good.take()).map(({ name }) => name),
      ['answer'],
    );
  }),
);

test('who asks without end and takes no answer is not read from: what waits for him is bounded', async () => {
  const agent = await offlineAgent();
  for (let i = 0; i < 4; i++) await agent.ask('send', BOB, { body: 'x'.repeat(60_000) }, newId());
  const caller = new Caller(agent.me.key);
  const own = { key: agent.me.key, pid: 7, relay: RELAY, relayKey: null };
  const limits = { ...LIMITS, asked: 8, waiting: 100_000 };
  let most = 0;
  const guest = new Guest(caller.channel, {
    ...{ agent, limits, admit: (hello) => admit(hello, own), closed: () => {} },
    grew: () => {
      most = Math.max(most, guest.waiting);
    },
  });
  caller.hello();
  for (let i = 0; i < 100 && !caller.channel.isPaused; i++) {
    caller.channel.feed(ask('history', BOB, {}), ask('status'));
    for (let turns = 0; turns < 5; turns++) await turn();
  }
  assert.ok(caller.channel.isPaused, 'nothing more is read');
  assert.ok(most < limits.waiting + 350_000, `${most} bytes`); // and one answer more
  const answers = (await caller.take()).filter(({ name }) => name === 'answer');
  assert.ok(answers.length > 4, 'and he who takes them gets them all');
  assert.not.ok(caller.channel.isPaused);
  guest.drop();
  await agent.close();
});

test(
  'requests that hold many bytes are read as they are done',
  hosted(
    async ({ member }) => {
      const caller = await member();
      const letters = Array.from({ length: 20 }, () =>
        ask('send', BOB, { body: 'x'.repeat(50_000) }, newId()),
      );
      caller.channel.feed(...letters);
      assert.ok(caller.channel.calls.includes('pause'));
      const answers = (await caller.take()).filter(({ name }) => name === 'answer');
      assert.is(answers.length, letters.length);
      assert.not.ok(caller.channel.isPaused);
    },
    { limits: { asking: 100_000 } },
  ),
);

test(
  'an answer over the limit is refused',
  hosted(
    async ({ agent, member }) => {
      await agent.ask('send', BOB, { body: 'x'.repeat(2_000) }, newId());
      const caller = await member();
      caller.channel.feed(ask('history', BOB, {}));
      const [first] = await caller.take();
      assert.is(unpack('refusal', first?.body as Buffer).code, 'content-too-large');
    },
    { limits: { answer: 1_000 } },
  ),
);

test(
  'events that nobody takes: so many, then none, and later how many were missed',
  hosted(
    async ({ agent, member }) => {
      const caller = await member();
      let told = 0;
      void (async () => {
        for await (const _ of agent.events()) told++;
      })();
      await until(() => told > 100, 'a hundred events');
      const waiting = caller.channel.writes.reduce((sum, { bytes }) => sum + bytes.length, 0);
      assert.ok(waiting < 5_000, `${waiting} bytes`);
      const events = eventsIn(await caller.take());
      const missed = events.flatMap((event) => (event.kind === 'missed' ? [event.count] : []));
      assert.ok((missed[0] ?? 0) > 50, `missed ${missed}`);
      assert.ok(events.some((e) => e.kind === 'down' && e.error.code === 'relay-unreachable'));
    },
    { limits: { waiting: 1_000 }, againMs: 1 },
  ),
);

test(
  'who takes nothing for long is cut, and who holds most when all hold too much',
  hosted(
    async ({ agent, member }) => {
      for (let i = 0; i < 4; i++)
        await agent.ask('send', BOB, { body: 'x'.repeat(60_000) }, newId());
      const [one, other] = [await member(), await member()];
      other.channel.feed(ask('history', BOB, { limit: 1 }));
      one.channel.feed(ask('history', BOB, {}));
      await until(() => one.isCut, 'the one who holds most');
      assert.not.ok(other.isCut);
      await until(() => other.isCut, 'the one who takes nothing');
    },
    { limits: { all: 200_000, stuckMs: 50 } },
  ),
);

test(
  'no more guests than there are places',
  hosted(
    async ({ call, member }) => {
      const [one] = [await member(), await member()];
      assert.throws(call, /nobody has opened it/); // cut before it was opened
      one.channel.reset();
      await member();
    },
    { limits: { guests: 2 } },
  ),
);

test.run();
