// Hello and login as a stranger tries them: docs/protocols/flexim.md §3 and §5. Every refusal, byte by byte.

import { decode, encode } from '@msgpack/msgpack';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  authResponse,
  command,
  frame,
  HELLO,
  type Keys,
  message,
  newKeys,
  newNonce,
  opened,
  type Peer,
  statusOf,
  TYPE,
  type UserDatum,
} from '../../peer.ts';
import { type Scene, scene } from '../../scene.ts';

const AUTH_FRAME = 365;

// ---- hello ----

const hello = suite('flexim hello');

for (let at = 0; at < HELLO.length; at++)
  hello(
    `a wrong byte ${at} is answered with a reset and not one byte`,
    scene(async ({ relay, connect }) => {
      for (const flip of [0x01, 0x80, 0xff]) {
        const whole = await connect();
        const wrong = Buffer.from(HELLO);
        wrong[at] = (wrong[at] as number) ^ flip;
        whole.write(wrong, command('PING'));
        assert.is(await whole.closed, 'ECONNRESET');
        assert.is(whole.received, 0);

        const single = await connect();
        for (const byte of wrong.subarray(0, at + 1)) single.write(Buffer.from([byte]));
        assert.is(await single.closed, 'ECONNRESET', 'refused at that byte, not at the fifth');
        assert.is(single.received, 0);
      }
      assert.is(relay.relay.drops.of('no-hello'), 6);
    }),
  );

hello(
  'half a hello is reset at the time limit, wherever it stops',
  scene(
    async ({ relay, connect }) => {
      const peers = await Promise.all(Array.from({ length: HELLO.length }, connect));
      peers.forEach((peer, length) => {
        peer.write(HELLO.subarray(0, length));
      });
      for (const peer of peers) {
        assert.is(await peer.closed, 'ECONNRESET');
        assert.is(peer.received, 0);
      }
      assert.is(relay.relay.drops.of('hello-timeout'), HELLO.length);
    },
    { limits: { helloMs: 60 } },
  ),
);

hello(
  'the greeting is a User with the name, the key and the time of the relay',
  scene(
    async ({ relay, connect }) => {
      const peer = await connect();
      for (const byte of HELLO) peer.write(Buffer.from([byte]));
      const { type, body } = await peer.next();
      assert.is(type, TYPE.User);
      const { key, ...rest } = decode(body) as UserDatum;
      assert.equal(rest, { aliases: ['test relay'], last_seen: 1_700_000_000 });
      assert.equal(Uint8Array.from(key), relay.identity.exchange.publicKey);
    },
    { clock: { now: () => performance.now(), wall: () => 1_700_000_000 } },
  ),
);

hello.run();

// ---- before login ----

const before = suite('flexim before login');

before(
  'PING is answered, other commands get -4, other frames -24, and nothing else happens',
  scene(async ({ relay, connect, member }) => {
    const bob = await member();
    const peer = await connect();
    await peer.greet();
    const commands = ['ROSTER', 'GETUSER', 'SEARCH', 'REGISTER', 'UNREGISTER', 'OFFLINES', 'ACK'];
    for (const cmd of [...commands, 'FE1_GET', 'auth', 'NO', '', '__proto__', 'constructor']) {
      const { status, payload } = statusOf(await peer.ask(cmd, bob.hex));
      assert.is(status, -4, cmd);
      assert.match(payload, /^login-first /);
    }
    assert.equal(statusOf(await peer.ask('PING', 'x y')), { status: 0, payload: 'x y' });
    const others = [TYPE.Auth, TYPE.Message, TYPE.Roster, TYPE.User, TYPE.Status, 7, 0x82, 255];
    for (const type of others) {
      peer.write(frame(type, message(bob.hex).subarray(3)));
      const { status, payload } = await peer.status();
      assert.is(status, -24, `type ${type}`);
      assert.match(payload, /^login-first /);
    }
    assert.equal(await bob.peer.settled(), [], 'the Message went nowhere');
    assert.is(relay.relay.router.online, 1);
    assert.equal([...relay.relay.directory.roster(null)], []);
  }),
);

before(
  'malformed frames get -2 and -22, and the login goes on',
  scene(async ({ connect }) => {
    const peer = await connect();
    await peer.greet();
    const keys = newKeys();
    const bodies = ['', 'c1', '81', '80', '82a3636d64a4', `${'91'.repeat(17)}c0`, '8000'];
    for (const hex of bodies) {
      peer.write(frame(TYPE.Command, Buffer.from(hex, 'hex')));
      const { status, payload } = await peer.status();
      assert.is(status, -2, hex);
      assert.match(payload, /^malformed /);
    }
    const { challenge } = await peer.challenged(keys);
    for (const hex of [...bodies, '81a96368616c6c656e6765a161', 'c0']) {
      peer.write(frame(TYPE.AuthResponse, Buffer.from(hex, 'hex')));
      const { status, payload } = await peer.status();
      assert.is(status, -22, hex);
      assert.match(payload, /^malformed /);
    }
    peer.write(authResponse(challenge, peer.relayKey));
    assert.is((await peer.next()).type, TYPE.User);
  }),
);

before(
  'BYE is answered and ends the connection',
  scene(async ({ connect }) => {
    const peer = await connect();
    await peer.greet();
    peer.write(command('BYE'), command('PING', 'too late'));
    assert.equal(await peer.lastStatus(), { status: 0, payload: '', end: 'end' });
  }),
);

before(
  'half a login is ended with -1 at the time limit, at every step',
  scene(
    async ({ relay, connect }) => {
      const keys = newKeys();
      const steps: ((peer: Peer) => unknown)[] = [
        () => {},
        (peer) => peer.ask('PING'),
        (peer) => peer.write(command('AUTH', keys.hex).subarray(0, 20)),
        (peer) => peer.challenged(keys),
        async (peer) => {
          const { challenge } = await peer.challenged(keys);
          peer.write(authResponse(challenge, peer.relayKey).subarray(0, -1));
        },
      ];
      const peers = await Promise.all(steps.map(connect));
      await Promise.all(
        peers.map(async (peer, i) => {
          await peer.greet();
          await steps[i]?.(peer);
          assert.equal(await peer.lastStatus(), {
            status: -1,
            payload: 'login-timeout too slow',
            end: 'end',
          });
        }),
      );
      assert.is(relay.relay.drops.of('login-timeout'), steps.length);
      assert.is(relay.relay.directory.isKnown(keys.hex), false);
    },
    { limits: { loginMs: 400 } },
  ),
);

before(
  'a time limit that ends a login is no trouble to one that succeeded',
  scene(
    async ({ connect, member }) => {
      const alice = await member();
      const slow = await connect();
      await slow.greet();
      assert.is((await slow.lastStatus()).status, -1);
      assert.equal(await alice.peer.settled(), []);
    },
    { limits: { loginMs: 300 } },
  ),
);

before.run();

// ---- refusals ----

const refused = suite('flexim login refused');

async function refusedWith(peer: Peer, words: string): Promise<void> {
  assert.equal(await peer.lastStatus(), { status: -1, payload: words, end: 'end' });
}

const BAD_KEYS = [
  '',
  'alice',
  'ab'.repeat(31),
  'ab'.repeat(33),
  `${'ab'.repeat(31)}a`,
  `${'ab'.repeat(31)}ag`,
  `0x${'ab'.repeat(31)}`,
  `${'ab'.repeat(32)}\n`,
  ` ${'ab'.repeat(31)}a`,
  `${'ab'.repeat(31)}a\u{1d7da}`,
];

refused(
  'a key that is not 64 hex digits',
  scene(async ({ connect }) => {
    for (const bad of BAD_KEYS) {
      const peer = await connect();
      await peer.greet();
      peer.write(command('AUTH', bad));
      await refusedWith(peer, 'login-failed the key is not 64 hex digits');
    }
    const none = await connect();
    await none.greet();
    none.write(command('AUTH'));
    await refusedWith(none, 'login-failed the key is not 64 hex digits');
  }),
);

// All u-coordinates of low order, the non-canonical ones too; X25519 ignores the top bit (RFC 7748 §5).
const LOW_ORDER = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
];
const withTopBit = (hex: string) => {
  const bytes = Buffer.from(hex, 'hex');
  bytes[31] = (bytes[31] as number) | 0x80;
  return bytes.toString('hex');
};

refused(
  'every key of low order, in either case',
  scene(async ({ relay, connect }) => {
    const all = [...LOW_ORDER, ...LOW_ORDER.map(withTopBit)];
    for (const hex of all)
      for (const key of [hex, hex.toUpperCase()]) {
        const peer = await connect();
        await peer.greet();
        peer.write(command('AUTH', key));
        await refusedWith(peer, 'login-failed the key is weak or not canonical');
      }
    assert.is(relay.relay.drops.of('login-failed'), all.length * 2);
    assert.is(relay.relay.router.online, 0);
  }),
);

refused(
  'a second AUTH: behind the first one, behind the challenge, in the same chunk, after login',
  scene(async ({ connect, member }) => {
    const keys = newKeys();
    const late = await connect();
    await late.greet();
    await late.challenged(keys);
    late.write(command('AUTH', keys.hex));
    await refusedWith(late, 'login-failed one AUTH a connection');

    const together = await connect();
    together.write(HELLO, command('AUTH', keys.hex), command('AUTH', keys.hex), command('PING'));
    assert.is((await together.next()).type, TYPE.User);
    assert.is((await together.next()).type, TYPE.Auth);
    await refusedWith(together, 'login-failed one AUTH a connection');

    const { peer } = await member();
    peer.write(command('AUTH', keys.hex), message(keys.hex));
    await refusedWith(peer, 'login-failed one AUTH a connection');
  }),
);

refused(
  'an AuthResponse without AUTH, twice, and after login',
  scene(async ({ connect, member }) => {
    const early = await connect();
    await early.greet();
    early.write(authResponse('flexim-auth-1', early.relayKey));
    await refusedWith(early, 'login-failed there is no challenge to answer');

    const twice = await connect();
    await twice.greet();
    const { challenge } = await twice.challenged(newKeys());
    const response = authResponse(challenge, twice.relayKey);
    twice.write(response, response);
    assert.is((await twice.next()).type, TYPE.User);
    assert.is((await twice.status()).status, 22);
    await refusedWith(twice, 'login-failed one login a connection');

    const { peer } = await member();
    peer.write(authResponse('x', peer.relayKey));
    await refusedWith(peer, 'login-failed one login a connection');
  }),
);

/** A connection that has got its challenge. */
async function challengedPeer({ connect }: Scene, keys: Keys = newKeys()) {
  const peer = await connect();
  await peer.greet();
  return { peer, keys, ...(await peer.challenged(keys)) };
}

refused(
  'a wrong response of any kind, and the same connection gets no second try',
  scene(async (stage) => {
    const { relay } = stage;
    const wrong: ((challenge: string, peer: Peer, keys: Keys) => Buffer)[] = [
      (challenge, peer) => authResponse(`${challenge} `, peer.relayKey),
      (challenge, peer) => authResponse(challenge.slice(0, -1), peer.relayKey),
      (challenge, peer) => authResponse(challenge.replace('auth', 'AUTH'), peer.relayKey),
      (_, peer) => authResponse('', peer.relayKey),
      (_, peer) => authResponse(null, peer.relayKey),
      (_, peer) => authResponse(7, peer.relayKey),
      (challenge, peer) => authResponse([challenge], peer.relayKey),
      (challenge, peer) => authResponse(Buffer.from(challenge), peer.relayKey),
      (challenge, _, keys) => authResponse(challenge, keys.publicKey), // sealed to somebody else
      (challenge) => frame(TYPE.AuthResponse, encode({ challenge: Buffer.from(challenge) })),
      () => frame(TYPE.AuthResponse, encode({ challenge: new Uint8Array(0) })),
      () => frame(TYPE.AuthResponse, encode({ challenge: new Uint8Array(47) })),
      () => frame(TYPE.AuthResponse, encode({ challenge: new Uint8Array(216) })),
      (challenge, peer) => authResponse(challenge, peer.relayKey, ''),
      (challenge, peer) => authResponse(challenge, peer.relayKey, 'A'.repeat(42)),
      (challenge, peer) => authResponse(challenge, peer.relayKey, 'A'.repeat(44)),
      (challenge, peer) => authResponse(challenge, peer.relayKey, `${'A'.repeat(42)}B`),
      (challenge, peer) => authResponse(challenge, peer.relayKey, `${'A'.repeat(42)}=`),
      (challenge, peer) => authResponse(challenge, peer.relayKey, 32),
    ];
    for (const [i, make] of wrong.entries()) {
      const { peer, keys, challenge } = await challengedPeer(stage);
      peer.write(make(challenge, peer, keys), authResponse(challenge, peer.relayKey));
      const { status, payload, end } = await peer.lastStatus();
      assert.equal(
        [status, payload, end],
        [-1, 'login-failed the response is wrong', 'end'],
        `wrong ${i}`,
      );
      assert.is(relay.relay.directory.isKnown(keys.hex), false, `wrong ${i}`);
    }
    assert.is(relay.relay.router.online, 0);
  }),
);

refused(
  'a response that succeeded elsewhere, and one to the challenge of another connection',
  scene(async (stage) => {
    const keys = newKeys();
    const first = await challengedPeer(stage, keys);
    const second = await challengedPeer(stage, keys);
    const response = authResponse(first.challenge, first.peer.relayKey, newNonce());
    first.peer.write(response);
    assert.is((await first.peer.next()).type, TYPE.User);
    second.peer.write(response); // replayed, byte for byte
    await refusedWith(second.peer, 'login-failed the response is wrong');

    const third = await challengedPeer(stage, keys);
    const fourth = await challengedPeer(stage, keys); // still waits for its own answer
    third.peer.write(authResponse(fourth.challenge, third.peer.relayKey));
    await refusedWith(third.peer, 'login-failed the response is wrong');
    assert.is((await first.peer.status()).status, 22);
    assert.equal(await first.peer.settled(), [], 'the one that is logged in stays');
  }),
);

refused(
  'too many logins of one address at once get -1 and may come again',
  scene(
    async ({ relay, connect }) => {
      const peers = await Promise.all(Array.from({ length: 20 }, connect));
      for (const peer of peers) peer.write(HELLO, command('AUTH', newKeys().hex));
      const outcomes = await Promise.all(
        peers.map(async (peer) => {
          await peer.next();
          const answer = await peer.next();
          if (answer.type === TYPE.Auth) return 'challenged';
          const { status, payload } = statusOf(answer);
          assert.equal(
            [status, payload],
            [-1, 'login-busy 1 too many logins from your address wait'],
          );
          assert.is(await peer.closed, 'end');
          return 'busy';
        }),
      );
      const busy = outcomes.filter((each) => each === 'busy').length;
      assert.is(relay.relay.drops.of('login-busy'), busy);
      const again = await connect();
      await again.login(newKeys());
    },
    { limits: { loginsWaiting: 1, loginTurnMs: 0.001 } },
  ),
);

/** What a login that fails looks like from outside: types and sizes of all frames, and the end. */
async function failedLogin({ connect }: Scene, hex: string): Promise<unknown> {
  const peer = await connect();
  await peer.greet();
  const auth = await peer.ask('AUTH', hex, 'wished');
  peer.write(authResponse('flexim-auth-1 no', peer.relayKey, newNonce()));
  const last = await peer.next();
  const end = await peer.closed;
  return [auth.type, auth.bytes.length, last.bytes.toString('hex'), end, peer.pending.length];
}

refused(
  'a failed login reveals nothing about whether the key is known, has an alias, is connected',
  scene(async (stage) => {
    const { relay, member } = stage;
    const online = await member(newKeys(), 'Alice');
    const away = await member();
    await away.peer.destroy();
    const stranger = newKeys();
    const unknown = await failedLogin(stage, stranger.hex);
    assert.equal(await failedLogin(stage, online.hex), unknown);
    assert.equal(await failedLogin(stage, away.hex), unknown);
    assert.is(relay.relay.directory.isKnown(stranger.hex), false, 'and leaves no trace');
    assert.is(relay.relay.directory.keyOf('wished'), null);
    assert.equal(await online.peer.settled(), [], 'nor does its owner lose the connection');
  }),
);

refused.run();

// ---- success ----

const login = suite('flexim login');

login(
  'the challenge has the one form, and is another one each time',
  scene(async (stage) => {
    const relayHex = stage.relay.identity.hex;
    const form = new RegExp(`^flexim-auth-1 ${relayHex} A{43} ([A-Za-z0-9_-]{43})$`);
    const randoms = new Set<string>();
    const keys = newKeys();
    for (let i = 0; i < 20; i++) {
      const { challenge } = await challengedPeer(stage, keys);
      const random = form.exec(challenge)?.[1] ?? '';
      assert.is(Buffer.from(random, 'base64url').length, 32, challenge);
      assert.is(Buffer.from(random, 'base64url').toString('base64url'), random);
      randoms.add(random);
    }
    assert.is(randoms.size, 20);
  }),
);

let wall = 0;

login(
  'all fields of Auth are sealed and of constant size, whatever date and last_seen are',
  scene(
    async (stage) => {
      const keys = newKeys();
      let before = 0;
      for (const time of [1, 127, 128, 65_536, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 52]) {
        wall = time;
        const {
          peer,
          frame: auth,
          fields,
          challenge,
          date,
          lastSeen,
        } = await challengedPeer(stage, keys);
        assert.is(auth.bytes.length, AUTH_FRAME);
        assert.equal(Object.keys(fields), ['date', 'challenge', 'last_seen']);
        assert.equal(
          [fields.date.length, fields.challenge.length, fields.last_seen.length],
          [57, 216, 57],
        );
        assert.is(opened(fields.date, keys)[0], 0xd3);
        assert.is(opened(fields.last_seen, keys)[0], 0xd3);
        assert.equal([date, lastSeen], [time, before]);
        peer.write(authResponse(challenge, peer.relayKey));
        const user = decode((await peer.next()).body) as { last_seen: number };
        assert.is(Number(user.last_seen), time);
        before = time;
      }
    },
    { clock: { now: () => performance.now(), wall: () => wall } },
  ),
);

login(
  'the User of a login is the own one, with the nonce for a proof',
  scene(async ({ connect }) => {
    const keys = newKeys();
    const { user, nonce } = await (await connect()).login(keys);
    assert.equal(Object.keys(user), ['aliases', 'key', 'last_seen', 'proof']);
    assert.is(user.proof, nonce);
    assert.equal(Uint8Array.from(user.key), keys.publicKey);
    assert.equal(user.aliases, []);
  }),
);

login(
  'without a nonce there is no proof; nil counts as none; a response as an array is read',
  scene(async (stage) => {
    const responses: ((challenge: string, peer: Peer) => Uint8Array)[] = [
      (challenge, peer) => authResponse(challenge, peer.relayKey),
      (challenge, peer) => {
        const box = decode(authResponse(challenge, peer.relayKey).subarray(3)) as object;
        return frame(TYPE.AuthResponse, encode({ x: [{}], ...box, nonce: null, invite: null }));
      },
      (challenge, peer) => {
        const box = decode(authResponse(challenge, peer.relayKey).subarray(3)) as object;
        return frame(TYPE.AuthResponse, encode(Object.values(box)));
      },
    ];
    for (const make of responses) {
      const { peer, challenge } = await challengedPeer(stage);
      peer.write(make(challenge, peer));
      const user = decode((await peer.next()).body) as object;
      assert.equal(Object.keys(user), ['aliases', 'key', 'last_seen']);
    }
  }),
);

login(
  'AUTH takes a key in upper case, an array, and a bin for a text',
  scene(async ({ connect }) => {
    const keys = newKeys();
    const bodies = [
      { cmd: 'AUTH', payload: [keys.hex.toUpperCase()] },
      ['AUTH', [keys.hex]],
      { payload: [Buffer.from(keys.hex)], extra: { a: 1 }, cmd: Buffer.from('AUTH') },
    ];
    for (const body of bodies) {
      const peer = await connect();
      await peer.greet();
      peer.write(frame(TYPE.Command, encode(body)));
      const auth = await peer.next();
      assert.is(auth.type, TYPE.Auth);
      const { challenge } = decode(auth.body) as { challenge: Uint8Array };
      peer.write(authResponse(decode(opened(challenge, keys)), peer.relayKey));
      const user = decode((await peer.next()).body) as { key: Uint8Array };
      assert.equal(Uint8Array.from(user.key), keys.publicKey);
    }
  }),
);

login(
  'a login that comes in one piece, and one that comes byte by byte',
  scene(async ({ connect }) => {
    for (const bytewise of [false, true]) {
      const keys = newKeys();
      const peer = await connect();
      const send = (...parts: Buffer[]) => {
        const bytes = Buffer.concat(parts);
        if (!bytewise) return peer.write(bytes);
        for (let i = 0; i < bytes.length; i++) peer.write(bytes.subarray(i, i + 1));
      };
      send(HELLO, command('PING', '1'), command('AUTH', keys.hex), command('PING', '2'));
      const greeting = decode((await peer.next()).body) as { key: Uint8Array };
      assert.is((await peer.status()).payload, '1');
      const auth = decode((await peer.next()).body) as { challenge: Uint8Array };
      assert.is((await peer.status()).payload, '2', 'answers keep their order around AUTH');
      const challenge = decode(opened(auth.challenge, keys));
      send(authResponse(challenge, greeting.key), message(keys.hex, 'me'), command('PING', '3'));
      const user = await peer.next();
      assert.is(user.type, TYPE.User, user.body.toString());
      assert.is((await peer.status()).status, 22);
      const rest = (await peer.take(2)).map(({ type }) => type).sort();
      assert.equal(rest, [TYPE.Message, TYPE.Status]);
    }
  }),
);

login(
  'a newer login replaces the older one: what waited, then Status 5, then the end',
  scene(async ({ relay, member }) => {
    const alice = await member();
    const bob = await member();
    const sent = Array.from({ length: 10 }, (_, i) => message(alice.hex, `${i}`));
    bob.peer.write(...sent);
    await bob.peer.settled();
    const newer = await member(alice.keys);
    for (const each of sent) assert.equal((await alice.peer.next()).bytes, each);
    const { status, payload, end } = await alice.peer.lastStatus();
    assert.equal([status, end], [5, 'end']);
    assert.match(payload, /^replaced /);
    assert.is(relay.relay.drops.of('replaced'), 1);
    assert.is(relay.relay.router.online, 2);

    bob.peer.write(message(alice.hex, 'after'));
    assert.equal((await newer.peer.next()).bytes, message(alice.hex, 'after'));
    assert.equal(await bob.peer.settled(), []);
  }),
);

login(
  'the older connection that is replaced cannot send any more, nor take the newer one along',
  scene(async ({ relay, member }) => {
    const alice = await member();
    const bob = await member();
    const newer = await member(alice.keys);
    alice.peer.write(message(bob.hex, 'from the grave'), command('BYE'));
    assert.is((await alice.peer.lastStatus()).status, 5);
    assert.equal(await bob.peer.settled(), []);
    assert.equal(await newer.peer.settled(), []);
    assert.is(relay.relay.router.online, 2);
  }),
);

login(
  'of many logins of one key at once exactly one connection stays, and all others are told',
  scene(async ({ relay, connect }) => {
    const keys = newKeys();
    const peers = await Promise.all(Array.from({ length: 20 }, connect));
    await Promise.all(peers.map((peer) => peer.login(keys)));
    let alive = 0;
    await Promise.all(
      peers.map(async (peer) => {
        peer.write(command('PING', 'still here'));
        const { status, payload } = await peer.status();
        if (status !== 5 && payload === 'still here') alive++;
      }),
    );
    assert.is(alive, 1);
    assert.is(relay.relay.router.online, 1);
    assert.is(relay.relay.drops.of('replaced'), 19);
  }),
);

login(
  'an alias in AUTH: free, one’s own, taken, invalid, empty; the login succeeds with all',
  scene(async ({ relay, connect, member }) => {
    const keys = newKeys();
    const aliases = async (who: Keys, alias?: string) =>
      (await (await connect()).login(who, alias)).user.aliases;
    assert.equal(await aliases(keys, 'Alice'), ['Alice']);
    assert.equal(await aliases(keys, 'ALICE'), ['Alice'], 'one’s own, as it was first written');
    assert.equal(await aliases(keys), ['Alice']);
    assert.equal(await aliases(keys, ''), ['Alice']);
    assert.equal(await aliases(keys, 'second'), ['Alice', 'second']);
    const other = newKeys();
    for (const alias of ['alice', 'ＡＬＩＣＥ', 'a b', 'x/live', 'x'.repeat(33), other.hex, 'aя'])
      assert.equal(await aliases(other, alias), [], alias);
    assert.is(relay.relay.drops.of('alias-refused'), 7);
    const bob = await member(newKeys(), 'bob');
    assert.equal((await bob.peer.user('GETUSER', other.hex)).aliases, []);
  }),
);

login.run();
