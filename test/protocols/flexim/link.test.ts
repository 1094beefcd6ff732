// A link after its login, at a relay that says what it likes: answers, events, deliveries, the end.
// docs/protocols/flexim.md §6.6, §8.1 and §9.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newIdentity } from '../../../src/crypto/identity.ts';
import { utf8 } from '../../../src/lib/bytes.ts';
import type { FleximError } from '../../../src/lib/errors.ts';
import type { Link, LinkEvent } from '../../../src/protocols/protocol.ts';
import {
  frame,
  message,
  ownUser,
  rawFrame,
  status,
  type Visit,
  withHostile,
} from '../../hostile-relay.ts';
import { dialRelay } from '../../relay.ts';
import {
  codeOf,
  drain,
  firstOfMany,
  MANY,
  numberOf,
  numbers,
  silence,
  take,
  text,
  turn,
  withLink,
} from './links.ts';

// ---- answers ----

const answers = suite('link: answers');
const someone = newIdentity();
const person = { aliases: ['bob'], key: someone.exchange.publicKey, last_seen: 86_400 };
const asPerson = { key: someone.hex, aliases: ['bob'], lastSeen: 86_400 };

answers('go to the commands in their order, whatever arrives in between', () =>
  withLink(silence, async (link, visit) => {
    const events = link.events();
    const results = Promise.all([
      link.ping(),
      link.directory?.find('bob'),
      link.directory?.find('nobody'),
      link.directory?.search('bo'),
      link.directory?.roster(),
      link.directory?.register('me'),
      codeOf(link.directory?.register('taken') as Promise<unknown>),
    ]);
    await visit.saw('REGISTER', 2);
    const noise = (n: number) => [
      message(`m${n}`),
      status(-20, `x ${n} unknown`),
      rawFrame(99, Buffer.from('later')),
      status(77, 'news'),
    ];
    visit.send(
      ...noise(1),
      status(0, ''),
      ...noise(2),
      frame('User', person),
      status(-3, 'unknown-user nobody'),
      ...noise(3),
      frame('Roster', { users: [person] }),
      frame('Roster', { users: [] }),
      ...noise(4),
      frame('User', { ...ownUser(visit), aliases: ['me'] }),
      status(-5, 'alias-taken somebody else has that alias'),
    );
    const [rtt, ...rest] = await results;
    assert.type(rtt, 'number');
    const self = { key: link.self.key, aliases: ['me'], lastSeen: 1 };
    assert.equal(rest, [asPerson, null, [asPerson], [], self, 'command-refused']);
    assert.equal(link.self, self);
    const got = await take(link.deliveries(), 4);
    assert.equal(
      got.map(({ envelope }) => text(envelope)),
      ['m1', 'm2', 'm3', 'm4'],
    );
    const kinds = (await take(events, 9)).map(({ kind }) => kind);
    assert.equal(kinds.slice(0, 3), ['up', 'unknown', 'notice']);
  }),
);

answers('lists in the place of maps and bytes in the place of texts are understood', () =>
  withLink(silence, async (link, visit) => {
    const results = Promise.all([
      link.directory?.find('bob'),
      link.directory?.roster(),
      link.ping(),
    ]);
    await visit.saw('PING');
    const row = [[utf8('bob')], [...person.key], 86_400, null];
    visit.send(
      frame('User', row),
      frame('Roster', [[row, person]]),
      frame('Message', [utf8('you'), '', [], 0, utf8('as bytes')]),
      frame('Message', ['you', '', [], 0, 'as text']),
      frame('Status', [-21, utf8('bob 7 full')]),
      frame('Status', [0, utf8('')]),
    );
    const [found, roster] = await results;
    assert.equal(found, asPerson);
    assert.equal(roster, [asPerson, asPerson]);
    const got = await take(link.deliveries(), 2);
    assert.equal(
      got.map(({ envelope }) => text(envelope)),
      ['as bytes', 'as text'],
    );
    const [, full] = await take(link.events(), 2);
    assert.equal(full, { kind: 'full', to: 'bob', n: 7 });
  }),
);

answers('an answer that nobody asked for ends the link', async () => {
  const unasked = [
    status(0, ''),
    status(4, ''),
    status(-2, ''),
    status(-3, ''),
    status(-9, ''),
    frame('User', person),
    frame('Roster', { users: [] }),
    frame('Command', { cmd: 'FE1_GET', payload: [] }),
  ];
  for (const answer of unasked)
    await withLink({}, async (link, visit) => {
      visit.send(answer);
      const error = await link.closed;
      assert.is(error?.code, 'protocol-violation');
      assert.match(error?.message ?? '', /nobody asked/);
      await visit.closed;
    });
});

answers('an answer of the wrong kind is a protocol-violation for who asked', () =>
  withLink({ answer: () => frame('Roster', { users: [] }) }, async (link, visit) => {
    assert.is(await codeOf(link.ping()), 'protocol-violation');
    assert.is(await codeOf(link.directory?.find('bob') as Promise<unknown>), 'protocol-violation');
    visit.socket.destroy();
    await link.closed;
  }),
);

answers('the words of a refusal are made fit to be shown', () =>
  withLink({ answer: () => status(-5, 'code \x1b[2J\u202eno') }, async (link, visit) => {
    const error = await link.directory?.register('x').catch((reason: FleximError) => reason);
    assert.is((error as FleximError).message, 'the relay refused: \ufffd[2J\ufffdno');
    visit.socket.destroy();
    await link.closed;
  }),
);

answers('the end of the connection fails every command that waits', () =>
  withLink(silence, async (link, visit) => {
    const codes = Promise.all([codeOf(link.ping()), codeOf(link.ping())]);
    await visit.saw('PING', 2);
    visit.socket.end();
    assert.equal(await codes, ['connection-lost', 'connection-lost']);
    assert.is((await link.closed)?.code, 'connection-lost');
    assert.is(await codeOf(link.ping()), 'closed');
    assert.throws(
      () => link.send(someone.hex, RANDOM),
      (e: FleximError) => e.code === 'closed',
    );
  }),
);

const RANDOM = utf8('envelope');

answers.run();

// ---- events and deliveries ----

const arrivals = suite('link: events and deliveries');

arrivals('events name the Message as it was sent; what is not so is a notice', () =>
  withLink({}, async (link, visit) => {
    visit.send(
      status(20, 'bob 1 queued'),
      status(-20, 'bob/live 2'),
      status(-21, 'bob 3 full'),
      status(22, ''),
      status(-20, 'no number'),
      status(-20, ''),
      status(-22, 'malformed \x1b[1mwhat'),
      status(-24, 'x'),
      status(100, 'y'),
      status(-20, 'b\x1b[2Jb 4 unknown'),
    );
    const [, ...events] = await take(link.events(), 11);
    assert.equal(events, [
      { kind: 'queued', to: 'bob', n: 1 },
      { kind: 'unknown', to: 'bob/live', n: 2 },
      { kind: 'full', to: 'bob', n: 3 },
      { kind: 'caught-up', deliveries: 0 },
      { kind: 'notice', code: -20, text: 'no number' },
      { kind: 'notice', code: -20, text: '' },
      { kind: 'notice', code: -22, text: 'malformed \ufffd[1mwhat' },
      { kind: 'notice', code: -24, text: 'x' },
      { kind: 'notice', code: 100, text: 'y' },
      { kind: 'unknown', to: 'b\ufffd[2Jb', n: 4 },
    ]);
  }),
);

const MALFORMED = {
  'an empty body': '',
  'no msgpack': 'c1',
  'a number': '01',
  'no fields': '80',
  'a body cut short': '85a2746fa3796f75',
  'bytes behind': '95a0a09000a1ff00',
  'a number for msg': '95a0a0900007',
  'text that is no UTF-8': '95a0a09000a1ff',
  'nested too deep': `95a0a09000${'91'.repeat(17)}01`,
  'a length of 4 GiB': '95a0a09000c6ffffffff',
};

arrivals('a Message that cannot be read is passed over, and nothing else changes', () =>
  withLink({}, async (link, visit) => {
    const bad = Object.values(MALFORMED).map((hex) => rawFrame('Message', Buffer.from(hex, 'hex')));
    visit.send(message('first'), ...bad.flatMap((each, i) => [each, message(`good ${i}`)]));
    const got = await take(link.deliveries(), bad.length + 1);
    assert.equal(
      got.map(({ envelope }) => text(envelope)),
      ['first', ...bad.map((_, i) => `good ${i}`)],
    );
    assert.is(link.send(someone.hex, RANDOM), 1);
    await link.ping();
    assert.is((await take(link.events(), 1))[0]?.kind, 'up');
  }),
);

arrivals('any other malformed frame ends the link', async () => {
  for (const type of ['Status', 'User', 'Roster', 'Command'] as const)
    await withLink({}, async (link, visit) => {
      visit.send(rawFrame(type, Buffer.from('c1', 'hex')));
      assert.is((await link.closed)?.code, 'malformed');
    });
});

arrivals('an envelope is a copy of its own', () =>
  withLink({}, async (link, visit) => {
    const events = link.events();
    const deliveries = link.deliveries();
    await take(events, 1);
    /** A Message that arrives in two pieces, and so stands in memory that readers share. */
    const inPieces = async (text: string) => {
      const bytes = message(utf8(text));
      visit.send(status(50, ''), bytes.subarray(0, 30));
      await take(events, 1);
      visit.send(bytes.subarray(30));
      return (await take(deliveries, 1))[0]?.envelope ?? RANDOM;
    };
    const first = await inPieces('a'.repeat(150));
    const second = await inPieces('b'.repeat(150));
    assert.is(text(first), 'a'.repeat(150));
    assert.is(text(second), 'b'.repeat(150));
  }),
);

arrivals('a loop may be left, and the next one goes on where it was', () =>
  withLink({}, async (link, visit) => {
    visit.send(...[1, 2, 3].map((n) => message(`${n}`)), status(50, 'a'), status(50, 'b'));
    const taken: string[] = [];
    for (let loop = 0; loop < 3; loop++)
      for await (const { envelope } of link.deliveries()) {
        taken.push(text(envelope));
        break;
      }
    assert.equal(taken, ['1', '2', '3']);
    const kinds: string[] = [];
    for (let loop = 0; loop < 3; loop++)
      for await (const { kind } of link.events()) {
        kinds.push(kind);
        break;
      }
    assert.equal(kinds, ['up', 'notice', 'notice']);
  }),
);

arrivals.run();

// ---- backpressure ----

const pressure = suite('link: a consumer that does not take');
pressure('the relay is not read from; nothing is lost once it takes', () =>
  withLink({}, async (link, visit) => {
    const caughtUp = findEvent(link, 'caught-up');
    const deliveries = await firstOfMany(link, visit);
    assert.ok(visit.socket.writableLength > 0, 'the client read all of it');
    const rest = await take(deliveries, MANY - 1);
    assert.equal(rest.map(numberOf), numbers(1));
    await caughtUp;
    await link.ping();
  }),
);

pressure('frames behind the last one taken wait even when they have arrived', () =>
  withLink({}, async (link, visit) => {
    let seen = false;
    const caughtUp = findEvent(link, 'caught-up').then(() => {
      seen = true;
    });
    const deliveries = link.deliveries();
    visit.send(...Array.from({ length: 1_025 }, (_, i) => message(`${i}`)), status(22));
    await take(deliveries, 1);
    for (let i = 0; i < 50; i++) await turn();
    assert.is(seen, false);
    await take(deliveries, 1_024);
    await caughtUp;
  }),
);

pressure(
  'closing reads on, does not wait for the consumer, and keeps no more for him than before',
  () =>
    withLink({}, async (link, visit) => {
      const deliveries = await firstOfMany(link, visit);
      await link.close();
      const rest = (await drain(deliveries)).map(numberOf);
      assert.equal(rest, numbers(1).slice(0, rest.length));
      assert.ok(rest.length >= 1_024 && rest.length <= 1_025, `${rest.length} kept`);
      assert.is(await link.closed, null);
    }),
);

async function findEvent(link: Link, kind: LinkEvent['kind']): Promise<void> {
  for await (const event of link.events()) if (event.kind === kind) return;
  throw new Error(`the link was closed without ${kind}`);
}

pressure.run();

// ---- the end ----

const end = suite('link: the end');
const eager = { reconnect: { minMs: 0, maxMs: 0 } };

for (const [code, wanted] of [
  [5, 'replaced'],
  [-1, 'login-refused'],
  [-7, 'relay-stopping'],
] as const)
  end(`status ${code} closes the link with ${wanted}`, () =>
    withLink({}, async (link, visit) => {
      visit.send(message('last'), status(code, '5 words'));
      assert.is((await link.closed)?.code, wanted);
      assert.equal((await drain(link.deliveries())).length, 1);
      await drain(link.events());
      await visit.closed;
      assert.is(await codeOf(link.ping()), 'closed');
    }),
  );

end('who was replaced does not come back', async () => {
  await withHostile({}, async (hostile) => {
    const link = await dialRelay(hostile.port, eager);
    const visit = await hostile.visit();
    visit.send(status(5, 'replaced by a newer login'));
    assert.is((await link.closed)?.code, 'replaced');
    const kinds = (await drain(link.events())).map(({ kind }) => kind);
    assert.equal(kinds, ['up']);
    // A new connection would be there before this one, which is dialled later.
    await (await dialRelay(hostile.port)).close();
    assert.is(hostile.visits.length, 2);
  });
});

end('close: everything sent before arrives, BYE is last, closed is null', () =>
  withLink({}, async (link, visit) => {
    const events = link.events();
    const deliveries = link.deliveries();
    for (let i = 1; i <= 100; i++) assert.is(link.send(someone.hex, RANDOM), i);
    const closing = Promise.all([link.close(), link.close()]);
    assert.throws(
      () => link.send(someone.hex, RANDOM),
      (e: FleximError) => e.code === 'closed',
    );
    assert.is(await codeOf(link.ping()), 'closed');
    await closing;
    await visit.closed;
    assert.equal(visit.seen.slice(4), [...new Array(100).fill('Message'), 'BYE']);
    assert.is(await link.closed, null);
    assert.equal(
      (await drain(events)).map(({ kind }) => kind),
      ['up'],
    );
    assert.equal(await drain(deliveries), []);
    await link.close();
  }),
);

end(
  'a relay that cuts instead of answering BYE: closed all the same, and not opened again',
  async () => {
    const answer = ({ socket }: Visit) => {
      socket.resetAndDestroy();
      return null;
    };
    await withHostile({ answer }, async (hostile) => {
      const link = await dialRelay(hostile.port, eager);
      await link.close();
      assert.is(await link.closed, null);
      assert.equal(
        (await drain(link.events())).map(({ kind }) => kind),
        ['up'],
      );
      assert.is(hostile.visits.length, 1);
    });
  },
);

end('what does not fit a frame is refused, and the link goes on', () =>
  withLink({}, async (link, visit) => {
    assert.throws(
      () => link.send(someone.hex, new Uint8Array(65_536)),
      (e: FleximError) => e.code === 'frame-too-large',
    );
    assert.is(link.send(someone.hex, RANDOM), 1);
    await visit.saw('Message');
    await link.ping();
  }),
);

end.run();
