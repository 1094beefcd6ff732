// The seed's points of interest, one by one (docs/protocols/commstream.md §3), and what each side does
// with a message at the wrong time, of the wrong size, or with an unknown name.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exchangePair, randomBytes } from '../../../src/crypto/sodium.ts';
import { toHex } from '../../../src/lib/bytes.ts';
import { isFleximError } from '../../../src/lib/errors.ts';
import { answer, ask } from '../../../src/protocols/commstream/negotiation.ts';
import {
  acceptable,
  DEFAULT_SCHEME,
  SCHEMES,
  type Scheme,
} from '../../../src/protocols/commstream/schemes.ts';
import { encodeRecord, receive, TYPE } from '../../../src/protocols/commstream/wire.ts';
import { established, FORCED, NOT_FORCED, pair } from './line.ts';
import { ACK, ascii, CHG, INV, join, NONE, REQ, record, Server } from './second.ts';

const test = suite('CommStream negotiation');
const keys = exchangePair(randomBytes(32));
const names = (...some: string[]) => some as Scheme[];

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isFleximError(error)) return error.code;
    throw error;
  }
  return 'ok';
}

/** A client, and the second implementation's server for it. */
function client(schemes: readonly Scheme[]) {
  const asking = ask({ schemes, draw: randomBytes, checkServer: () => {} });
  const request = asking.next().value as Uint8Array;
  const secrets = { server: randomBytes(32), exchange: randomBytes(32) };
  const server = new Server(secrets, request);
  const offer = (type: number, name: string) =>
    server.offer(type, name, { random: randomBytes(32), encapsulation: randomBytes(64) }).bytes;
  const give = (bytes: Uint8Array) => asking.next(receive(bytes));
  return { request, server, offer, give };
}

/** A server that got this first; what it sends, or how it ended. */
function server(first: Uint8Array, schemes: readonly Scheme[] = FORCED) {
  const answering = answer(receive(first), { schemes, draw: randomBytes, server: keys });
  const give = (bytes?: Uint8Array) => {
    let step = answering.next(bytes ? receive(bytes) : (undefined as never));
    while (!step.done && step.value === null) step = answering.next(undefined as never);
    return step;
  };
  return { give };
}

function requestOf(schemes: readonly Scheme[]): Uint8Array {
  return ask({ schemes, draw: randomBytes, checkServer: () => {} }).next().value as Uint8Array;
}

// ---- the seed's points ----

test('1 and 2: the client speaks first, REQ_ENCRYPT with the magic string of what it wants', () => {
  for (const scheme of SCHEMES) {
    const { line } = pair({ client: [scheme], server: [scheme] });
    line.flow();
    const first = line.sent[0];
    assert.is(first?.from, 'client');
    assert.is(first?.bytes[0], REQ);
    const n = first?.bytes[8] as number;
    assert.is(first?.bytes.toString('latin1', 5, 8), 'CS1');
    assert.is(first?.bytes.toString('latin1', 9, 9 + n), scheme);
    assert.is(first?.bytes.length, 5 + 3 + 1 + n + 32 + 32 + 1216);
  }
});

test('3: the server answers with ACK_ENCRYPT what it accepts, CHG_ENCRYPT else, INV_ENCRYPT when nothing is left', () => {
  const answerTo = (asked: readonly Scheme[], accepts: readonly Scheme[]) => {
    const step = server(requestOf(asked), accepts).give();
    return step.done ? step.value : [...(step.value as Uint8Array)].slice(0, 1);
  };
  assert.equal(answerTo(['x25519-1'], FORCED), [ACK]);
  assert.equal(answerTo(['plain'], NOT_FORCED), [ACK]);
  assert.equal(answerTo(['plain'], FORCED), [CHG]);
  assert.equal(answerTo(names('of-later-days'), FORCED), [CHG]);
  assert.is(answerTo(['x25519-1'], []), null);
});

test('4: INV_ENCRYPT from the server is unsupported-encryption, whatever could have been plain; nothing is tried again', () => {
  const { line, told } = pair({ client: NOT_FORCED, server: [] });
  line.flow();
  assert.equal(
    [told.client.code, told.server.code],
    ['unsupported-encryption', 'unsupported-encryption'],
  );
  assert.is(line.sent.filter(({ from }) => from === 'client').length, 1);
  assert.equal([...(line.sent.at(-1)?.bytes ?? [])], [INV, 0, 0, 0, 0]);
});

test('5: CHG_ENCRYPT is answered with ACK_ENCRYPT if it can be used, else with INV_ENCRYPT', () => {
  const can = client(['x25519-1', 'x25519-xwing-1']);
  const accepted = can.give(can.offer(CHG, 'x25519-xwing-1'));
  assert.ok(accepted.done);
  assert.is((accepted.value as { scheme: string }).scheme, 'x25519-xwing-1');
  const cannot = client(['x25519-1']);
  const refused = cannot.give(cannot.offer(CHG, 'x25519-xwing-1'));
  assert.equal([...(refused.value as Uint8Array)], [INV, 0, 0, 0, 0]);
  const unknown = client(['x25519-1']);
  assert.equal(
    [
      ...(unknown.give(record(CHG, join(Uint8Array.of(3), ascii('abc'), randomBytes(7))))
        .value as Uint8Array),
    ],
    [INV, 0, 0, 0, 0],
  );
});

test('6: ACK_ENCRYPT is answered with ACK_ENCRYPT, and that completes it', () => {
  const { line, told } = established();
  assert.equal(
    line.sent.map(({ from, bytes }) => [from, bytes[0]]),
    [
      ['client', REQ],
      ['server', ACK],
      ['client', ACK],
    ],
  );
  assert.equal(told.client.order, ['established']);
  assert.equal(told.server.order, ['established']);
});

test('7: after INV_ENCRYPT the server offers the next it accepts, until none is left', () => {
  const asking = names('of-later-days', 'x25519-1');
  const one = established({ client: asking, server: FORCED });
  assert.is(one.told.server.agreement?.scheme, 'x25519-1');
  assert.equal(
    one.line.sent.map(({ bytes }) => bytes[0]),
    [REQ, CHG, INV, CHG, ACK],
  );
  const none = pair({ client: names('of-later-days'), server: NOT_FORCED });
  none.line.flow();
  assert.equal(
    none.line.sent.map(({ bytes }) => bytes[0]),
    [REQ, CHG, INV, CHG, INV, CHG, INV, INV],
  );
  assert.equal(
    [none.told.client.code, none.told.server.code],
    Array(2).fill('unsupported-encryption'),
  );
});

test("8: from the client's ACK_ENCRYPT on everything is as negotiated, and nothing sealed comes before", () => {
  const { line, client, server, told } = pair();
  server.send(Buffer.from('too early'));
  client.send(Buffer.from('too early'));
  line.flow();
  client.send(Buffer.from('to the server'));
  server.send(Buffer.from('to the client'));
  line.flow();
  assert.equal(told.server.data_, ['to the server']);
  assert.equal(told.client.data_, ['to the client']);
  assert.equal(
    line.sent.slice(3).map(({ bytes }) => bytes[0]),
    [TYPE.sealed, TYPE.sealed],
  );
  for (const { bytes } of line.sent) assert.not.ok(bytes.includes('to the'));
});

// ---- schemes ----

test('forced means without plain; not forced means that it is the last', () => {
  assert.is(DEFAULT_SCHEME, 'x25519-xwing-1');
  assert.equal(acceptable('x25519-xwing-1', true), ['x25519-xwing-1', 'x25519-1']);
  assert.equal(acceptable('x25519-1', false), ['x25519-1', 'x25519-xwing-1', 'plain']);
  assert.equal(acceptable('plain', false), ['plain', 'x25519-xwing-1', 'x25519-1']);
});

test("every scheme: both sides have the same binding, other keys each time, and the server's key where it is proven", () => {
  const seen = new Set<string>();
  for (const scheme of [...SCHEMES, ...SCHEMES]) {
    const { told, keys } = established({ client: [scheme], server: [scheme] });
    const [one, other] = [told.client.agreement, told.server.agreement];
    assert.equal(one?.binding, other?.binding);
    assert.is(one?.binding.length, 32);
    seen.add(toHex(one?.binding as Uint8Array));
    const proven = scheme === 'plain' ? null : keys.publicKey;
    assert.equal(one?.serverKey, proven);
    assert.equal(other?.serverKey, proven);
  }
  assert.is(seen.size, 6);
});

test('plain: what is on the wire is what was sent', () => {
  const { line, client, told } = established({ client: ['plain'], server: NOT_FORCED });
  client.send(Buffer.from('seen by all'));
  line.flow();
  assert.equal([...(line.sent.at(-1)?.bytes ?? [])], [...record(TYPE.data, ascii('seen by all'))]);
  assert.equal(told.server.data_, ['seen by all']);
});

// ---- what is not in the order of things ----

test('the client: anything but an answer, or an answer to something else, is bad-handshake', () => {
  const asked = ['x25519-xwing-1', 'x25519-1'] as const;
  const wrong: readonly (readonly [string, (it: ReturnType<typeof client>) => Uint8Array])[] = [
    ['ACK of what was not asked', ({ offer }) => offer(ACK, 'x25519-1')],
    ['CHG to what was asked', ({ offer }) => offer(CHG, 'x25519-xwing-1')],
    ['ACK of an unknown name', ({ offer }) => offer(ACK, 'whatever')],
    ['REQ', ({ request }) => request],
    ['DATA', () => record(TYPE.data, ascii('x'))],
    ['CLOSE', () => record(TYPE.close, NONE)],
    ['SEALED', () => record(TYPE.sealed, randomBytes(64))],
    ['type 0', () => record(0, NONE)],
    ['type 255', () => record(255, randomBytes(40))],
    ['an empty ACK', () => record(ACK, NONE)],
    ['a name of no bytes', () => record(ACK, new Uint8Array(200))],
    ['INV with a body', () => record(INV, ascii('x'))],
    ['a byte less', ({ offer }) => encodeRecord(ACK, offer(ACK, asked[0]).slice(5, -1))],
    [
      'a byte more',
      ({ offer }) => encodeRecord(ACK, offer(ACK, asked[0]).slice(5), Uint8Array.of(0)),
    ],
    [
      'no ciphertext',
      ({ offer }) => {
        const whole = offer(ACK, asked[0]);
        return encodeRecord(ACK, whole.slice(5, 5 + 15 + 96), whole.slice(-32));
      },
    ],
    [
      'another confirm',
      ({ offer }) => {
        const whole = offer(ACK, asked[0]);
        whole[whole.length - 1] = (whole[whole.length - 1] as number) ^ 1;
        return whole;
      },
    ],
    ['a weak exchange key', ({ server, request }) => weak(server, request, 64)],
    ['a weak server key', ({ server, request }) => weak(server, request, 32)],
  ];
  for (const [what, make] of wrong) {
    const it = client(asked);
    assert.is(
      codeOf(() => it.give(make(it))),
      'bad-handshake',
      what,
    );
  }

  /** A real offer with a point of low order in place of a key. */
  function weak(from: Server, _: Uint8Array, at: number): Uint8Array {
    const bytes = from.offer(ACK, asked[0], {
      random: randomBytes(32),
      encapsulation: randomBytes(64),
    }).bytes;
    bytes.fill(0, 5 + 15 + at, 5 + 15 + at + 32);
    return bytes;
  }
});

test('the client: ACK after a refusal, the same offer again, and offers without end are bad-handshake', () => {
  const offerOf = (name: string) => record(CHG, join(Uint8Array.of(name.length), ascii(name)));
  const again = client(['x25519-1']);
  again.give(offerOf('x25519-xwing-1'));
  assert.is(
    codeOf(() => again.give(offerOf('x25519-xwing-1'))),
    'bad-handshake',
  );
  const late = client(['x25519-1']);
  late.give(offerOf('b'));
  assert.is(
    codeOf(() => late.give(late.offer(ACK, 'x25519-1'))),
    'bad-handshake',
  );
  const endless = client(['x25519-1']);
  let offers = 0;
  const code = codeOf(() => {
    for (;;) endless.give(offerOf(`scheme-${offers++}`));
  });
  assert.is(code, 'bad-handshake');
  assert.is(offers, 8);
});

test('the server: anything but a whole REQ_ENCRYPT first is bad-handshake; another version is INV_ENCRYPT', () => {
  const good = requestOf(FORCED);
  const body = good.slice(5);
  for (const [what, bytes] of [
    ['ACK', record(ACK, randomBytes(32))],
    ['CHG', record(CHG, body)],
    ['INV', record(INV, NONE)],
    ['DATA', record(TYPE.data, body)],
    ['SEALED', record(TYPE.sealed, body)],
    ['type 0', record(0, body)],
    ['a byte less', encodeRecord(REQ, body.slice(0, -1))],
    ['a byte more', encodeRecord(REQ, body, Uint8Array.of(0))],
    ['magic alone', encodeRecord(REQ, ascii('CS1'))],
    ['a name of no bytes', encodeRecord(REQ, ascii('CS1'), Uint8Array.of(0), body.slice(4 + 14))],
    [
      'a name longer than the body',
      encodeRecord(REQ, ascii('CS1'), Uint8Array.of(255), ascii('x')),
    ],
  ] as const)
    assert.is(
      codeOf(() => server(bytes).give()),
      'bad-handshake',
      what,
    );
  assert.is(server(encodeRecord(REQ, ascii('CS2'), body.slice(3))).give().value, null);
  assert.is(server(encodeRecord(REQ)).give().value, null);
});

test('the server: weak or impossible keys of a client are bad-handshake', () => {
  const at = 5 + 3 + 1 + 14 + 32;
  const weak = requestOf(FORCED);
  weak.fill(0, at, at + 32);
  assert.is(
    codeOf(() => server(weak).give()),
    'bad-handshake',
  );
  const impossible = requestOf(FORCED);
  impossible.fill(0xff, at + 32); // no ML-KEM key has such coefficients
  assert.is(
    codeOf(() => server(impossible).give()),
    'bad-handshake',
  );
});

test('the server: what follows must be the confirm, or INV_ENCRYPT where something else was offered', () => {
  for (const [what, bytes] of [
    ['a wrong confirm', record(ACK, randomBytes(32))],
    ['a short confirm', record(ACK, randomBytes(31))],
    ['a long confirm', record(ACK, randomBytes(33))],
    ['INV to an ACK', record(INV, NONE)],
    ['REQ again', requestOf(FORCED)],
    ['DATA', record(TYPE.data, NONE)],
    ['CHG', record(CHG, randomBytes(32))],
  ] as const) {
    const it = server(requestOf(FORCED));
    it.give();
    assert.is(
      codeOf(() => it.give(bytes)),
      'bad-handshake',
      what,
    );
  }
  const changed = server(requestOf(['plain']));
  changed.give();
  assert.is(
    codeOf(() => changed.give(record(INV, ascii('why')))),
    'bad-handshake',
    'INV with a body',
  );
});

test('a client that may use nothing asks for nothing', () => {
  const asking = ask({ schemes: [], draw: randomBytes, checkServer: () => {} });
  assert.is(
    codeOf(() => asking.next()),
    'unsupported-encryption',
  );
});

test.run();
