// Login from the client's side, against relays that lie: what it refuses, with which code, and that
// nothing was said that should not have been. docs/protocols/flexim.md §3.2, §5.3 and §5.5.
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Identity, newIdentity } from '../../../src/crypto/identity.ts';
import { toBase64url, toHex, utf8 } from '../../../src/lib/bytes.ts';
import { type ErrorCode, FleximError } from '../../../src/lib/errors.ts';
import { encodeFrame, frameDelimiter, HELLO } from '../../../src/protocols/flexim/wire.ts';
import type { DialOptions, Link } from '../../../src/protocols/protocol.ts';
import { FrameReader } from '../../../src/wire/frames.ts';
import {
  AUTH_BYTES,
  authOf,
  frame,
  greeting,
  HELLO_BYTES,
  type Hostile,
  message,
  ownUser,
  rawFrame,
  type Steps,
  sealed,
  status,
  type Visit,
  withHostile,
} from '../../hostile-relay.ts';
import { dialRelay, memoryPins, withRelay } from '../../relay.ts';

/** Where a refused login ended: what the relay had been told until then. */
const TOLD = {
  hello: { seen: ['hello'], bytes: HELLO_BYTES },
  auth: { seen: ['hello', 'ACKS', 'AUTH'], bytes: HELLO_BYTES + AUTH_BYTES },
  response: { seen: ['hello', 'ACKS', 'AUTH', 'AuthResponse'], bytes: null },
} as const;

/** A login that must fail with this code, after telling the relay so much and no byte more. */
async function refused(
  steps: Partial<Steps>,
  wanted: { code: ErrorCode; told: keyof typeof TOLD; words?: RegExp },
  options?: (hostile: Hostile) => Partial<DialOptions>,
): Promise<void> {
  await withHostile(steps, async (hostile) => {
    const pins = memoryPins();
    const given = { pins, ...options?.(hostile) };
    const known = pins.map.size;
    const error = await failure(dialRelay(hostile.port, given));
    assert.is(error.code, wanted.code, error.message);
    if (wanted.words) assert.match(error.message, wanted.words);
    const visit = await hostile.visit();
    await visit.closed;
    const { seen, bytes } = TOLD[wanted.told];
    assert.equal(visit.seen, seen);
    if (bytes !== null) assert.is(visit.bytes, bytes);
    assert.is(pins.map.size, known, 'a refused relay was pinned');
    assert.is(hostile.visits.length, 1);
  });
}

async function failure(dialling: Promise<Link>): Promise<FleximError> {
  const link = await dialling.catch((error: unknown) => error);
  if (link instanceof FleximError) return link;
  if (link instanceof Error) throw link;
  await (link as Link).close();
  throw new Error('the login went well');
}

// ---- the relay's key ----

const key = suite('session: the relay key');
const other = newIdentity();

key('another key than the pinned one is refused before the client says who it is', async () => {
  await refused(
    {},
    { code: 'relay-key-changed', told: 'hello', words: /earlier contacts/ },
    ({ port }) => {
      const pins = memoryPins();
      pins.map.set(`127.0.0.1:${port}`, other.hex);
      return { pins };
    },
  );
});

key('another key than the one in the address is refused, pinned or not', async () => {
  const wanted = { code: 'relay-key-changed', told: 'hello', words: /by its address/ } as const;
  await refused({}, wanted, () => ({ relayKey: other.hex }));
  await refused({}, wanted, ({ port, hex }) => {
    const pins = memoryPins();
    pins.map.set(`127.0.0.1:${port}`, hex);
    return { pins, relayKey: other.hex };
  });
});

key('the address does not overrule the pin; the error says how to', async () => {
  const words = /flexim relays trust "flexim:\/\/127\.0\.0\.1:\d+\?relay=[0-9a-f]{64}"/;
  await refused({}, { code: 'relay-key-changed', told: 'hello', words }, ({ port, hex }) => {
    const pins = memoryPins();
    pins.map.set(`127.0.0.1:${port}`, other.hex);
    return { pins, relayKey: hex };
  });
});

key('a weak key cannot be answered', async () => {
  for (const weak of [new Uint8Array(32), Uint8Array.of(1, ...new Uint8Array(31))])
    await refused(
      {
        greeting: () => greeting(weak),
        auth: (visit) => authOf(visit, sealed(challengeText(weak), visit.client)),
      },
      { code: 'relay-auth-mismatch', told: 'auth' },
    );
});

key('pinned by another process in the meantime: the pin that holds decides', async () => {
  const pins = { get: () => null, add: async () => other.hex };
  await refused({}, { code: 'relay-key-changed', told: 'response' }, () => ({
    pins: { ...pins, map: new Map() },
  }));
});

key.run();

// ---- the challenge ----

const challenge = suite('session: the challenge');
const ZERO = new Uint8Array(32);
const RANDOM = new Uint8Array(32).fill(7);

function challengeText(relay: Uint8Array, binding = ZERO, random = RANDOM): string {
  return `flexim-auth-1 ${toHex(relay)} ${toBase64url(binding)} ${toBase64url(random)}`;
}

challenge('the one right form is answered', async () => {
  const auth = (visit: Visit) => authOf(visit, sealed(challengeText(keyOf(visit)), visit.client));
  await withHostile({ auth }, async ({ port }) => {
    const link = await dialRelay(port);
    await link.close();
  });
});

const keyOf = (visit: Visit) => visit.relay.identity.exchange.publicKey;

/** Texts that are nearly right, made of the right one. */
const NEARLY: Readonly<Record<string, (text: string, relay: Uint8Array) => string>> = {
  'another version': (text) => text.replace('-1 ', '-2 '),
  'no prefix': (text) => text.slice(14),
  'another case of the prefix': (text) => text.replace('flexim', 'Flexim'),
  'the key in upper case': (text, relay) => text.replace(toHex(relay), toHex(relay).toUpperCase()),
  'two spaces': (text) => text.replace(' ', '  '),
  'a tab': (text) => text.replace(' ', '\t'),
  'a space in front': (text) => ` ${text}`,
  'a space behind': (text) => `${text} `,
  'a line break behind': (text) => `${text}\n`,
  'a zero behind': (text) => `${text}\0`,
  'padding behind': (text) => `${text}=`,
  'padding at the binding': (text) => text.replace('A ', 'A= '),
  'a fifth part': (text) => `${text} x`,
  'no random part': (text) => text.slice(0, -44),
  'an empty random part': (text) => text.slice(0, -43),
  'spare bits set': (text) => `${text.slice(0, -1)}d`,
  'another alphabet': (text) => `${text.slice(0, -2)}+/`,
  'a shorter random part': (_, relay) => challengeText(relay, ZERO, RANDOM.subarray(1)),
  'a longer random part': (_, relay) => challengeText(relay, ZERO, new Uint8Array(33)),
  'a binding of another channel': (_, relay) => challengeText(relay, RANDOM),
  'an empty binding': (_, relay) => challengeText(relay, new Uint8Array(0)),
  'another relay': () => challengeText(other.exchange.publicKey),
  'nothing at all': () => '',
};

for (const [name, change] of Object.entries(NEARLY))
  challenge(`${name} is not answered`, async () => {
    const auth = (visit: Visit) => {
      const right = challengeText(keyOf(visit));
      const wrong = change(right, keyOf(visit));
      assert.is.not(wrong, right);
      return authOf(visit, sealed(wrong, visit.client));
    };
    await refused({ auth }, { code: 'relay-auth-mismatch', told: 'auth', words: /did not prove/ });
  });

/** Boxes that hold, or are, something else; `right` is the right text. */
const BOXES: Readonly<Record<string, (right: string, client: Uint8Array) => Uint8Array>> = {
  'a number': (_, client) => sealed(42, client),
  'bytes in the place of a text': (right, client) => sealed(utf8(right), client),
  'a list': (right, client) => sealed([right], client),
  nil: (_, client) => sealed(null, client),
  'the secret of somebody else': (_, client) => sealed({ seed: RANDOM }, client),
  'a box for another key': (right) => sealed(right, other.exchange.publicKey),
  'a box cut short': (right, client) => sealed(right, client).subarray(0, -1),
  'a box with a changed bit': (right, client) => {
    const box = sealed(right, client);
    box[60] = (box[60] as number) ^ 1;
    return box;
  },
  'no box': (right) => utf8(right),
  'no bytes': () => new Uint8Array(0),
};

for (const [name, make] of Object.entries(BOXES))
  challenge(`${name} is not answered`, async () => {
    const auth = (visit: Visit) => authOf(visit, make(challengeText(keyOf(visit)), visit.client));
    await refused({ auth }, { code: 'relay-auth-mismatch', told: 'auth' });
  });

challenge('a last_seen that is no number is not answered', async () => {
  const auth = (visit: Visit) => {
    const right = sealed(challengeText(keyOf(visit)), visit.client);
    return authOf(visit, right, 'yesterday');
  };
  await refused({ auth }, { code: 'relay-auth-mismatch', told: 'auth' });
});

challenge("an honest relay's challenge, forwarded: nobody gets in there as the victim", () =>
  withRelay(async (honest) => {
    const victim = newIdentity();
    const auth = () => challengeFrom(honest.port, victim);
    await refused({ auth }, { code: 'relay-auth-mismatch', told: 'auth' }, () => ({
      identity: victim,
    }));
    assert.not(honest.relay.directory.isKnown(victim.hex));
    assert.is(honest.relay.router.online, 0);
  }),
);

/** What a man in the middle gets from an honest relay when he gives the victim's key for his own. */
async function challengeFrom(port: number, victim: Identity): Promise<Uint8Array> {
  const socket = createConnection({ host: '127.0.0.1', port });
  const frames: Buffer[] = [];
  const reader = new FrameReader(frameDelimiter, (bytes, start, end) => {
    frames.push(Buffer.from(bytes.subarray(start, end)));
  });
  socket.on('data', (chunk) => reader.push(chunk));
  socket.write(HELLO);
  socket.write(encodeFrame('Command', { cmd: 'AUTH', payload: [victim.hex] }));
  while (frames.length < 2) await once(socket, 'data');
  socket.destroy();
  const [, auth] = frames as [Buffer, Buffer];
  assert.is(auth[0], 0, 'the honest relay sent its Auth');
  return auth;
}

challenge.run();

// ---- the proof ----

const proof = suite('session: the proof');

const PROOFS: Readonly<Record<string, (visit: Visit) => object>> = {
  'no proof': ({ client }) => ({ aliases: [], key: client, last_seen: 1 }),
  'an empty proof': (visit) => ({ ...ownUser(visit), proof: '' }),
  'another proof': (visit) => ({ ...ownUser(visit), proof: toBase64url(RANDOM) }),
  'the beginning of the proof': (visit) => ({ ...ownUser(visit), proof: visit.nonce.slice(0, -1) }),
  'the proof and more': (visit) => ({ ...ownUser(visit), proof: `${visit.nonce}A` }),
  'the User of another key': (visit) => ({ ...ownUser(visit), key: other.exchange.publicKey }),
};

for (const [name, make] of Object.entries(PROOFS))
  proof(`${name} ends the login`, () =>
    refused(
      { user: (visit) => frame('User', make(visit)) },
      { code: 'relay-auth-mismatch', told: 'response' },
    ),
  );

proof('the relay is pinned behind the proof, not before', () => {
  let sentUser = false;
  const user = (visit: Visit) => {
    sentUser = true;
    return frame('User', ownUser(visit));
  };
  return withHostile({ user }, async ({ port, hex }) => {
    const added: [string, string, boolean][] = [];
    const pins = {
      get: () => added[0]?.[1] ?? null,
      add: async (place: string, hex: string) => {
        added.push([place, hex, sentUser]);
        return hex;
      },
    };
    const link = await dialRelay(port, { pins });
    assert.equal(added, [[`127.0.0.1:${port}`, hex, true]]);
    assert.is(link.relay.firstContact, true);
    await link.close();
  });
});

proof('a nonce is never the same twice', () =>
  withHostile({}, async (hostile) => {
    for (let i = 0; i < 2; i++) await (await dialRelay(hostile.port)).close();
    const [first, second] = hostile.visits.map(({ nonce }) => nonce);
    assert.match(first ?? '', /^[\w-]{43}$/);
    assert.is.not(first, second);
  }),
);

proof('who cannot pin does not log in, and the error is told as it is', async () => {
  const broken = new FleximError('store-busy', 'another flexim is changing the pins');
  const pins = { get: () => null, add: () => Promise.reject(broken), map: new Map() };
  await refused({}, { code: 'store-busy', told: 'response' }, () => ({ pins }));
});

proof.run();

// ---- everything else that can happen in a login ----

const course = suite('session: the course of a login');

const STEPS = ['greeting', 'auth', 'user'] as const;
const TOLD_AT = { greeting: 'hello', auth: 'auth', user: 'response' } as const;
const EXPECTED = { greeting: 'User', auth: 'Auth', user: 'User' } as const;

for (const step of STEPS) {
  const told = TOLD_AT[step];

  course(`${step}: a frame that does not belong there is a protocol-violation`, async () => {
    const frames = {
      Message: message('early'),
      Roster: frame('Roster', { users: [] }),
      Command: frame('Command', { cmd: 'PING', payload: [] }),
      AuthResponse: frame('AuthResponse', { challenge: RANDOM }),
      Auth: frame('Auth', { date: RANDOM, challenge: RANDOM, last_seen: RANDOM }),
      User: greeting(other.exchange.publicKey),
    };
    for (const [name, bytes] of Object.entries(frames)) {
      if (name === EXPECTED[step]) continue;
      const words = new RegExp(`sent a ${name} during the login`);
      await refused({ [step]: () => bytes }, { code: 'protocol-violation', told, words });
    }
  });

  course(`${step}: what is malformed ends the login`, async () => {
    for (const body of ['', 'c1', '80', '81a16b', '93', '9390c400c0'])
      await refused(
        { [step]: () => rawFrame(EXPECTED[step], Buffer.from(body, 'hex')) },
        { code: 'malformed', told },
      );
  });

  course(`${step}: refusals of the relay have their own codes and its words`, async () => {
    const say = (code: number, text: string) => ({ [step]: () => status(code, text) });
    await refused(say(-1, 'login-failed too\x1b[2J many'), {
      code: 'login-refused',
      told,
      words: /refused the login: .*too\ufffd\[2J many/,
    });
    await refused(say(-7, '5 the relay is stopping'), {
      code: 'relay-stopping',
      told,
      words: /wait 5 s/,
    });
    for (const code of [-2, -4, -6, 0, 5])
      await refused(say(code, ''), { code: 'login-refused', told, words: /status/ });
  });

  course(
    `${step}: the end of the connection is connection-lost, with or without a reset`,
    async () => {
      for (const cut of ['end', 'resetAndDestroy'] as const)
        await refused(
          {
            [step]: ({ socket }: Visit) => {
              socket[cut]();
              return null;
            },
          },
          { code: 'connection-lost', told },
        );
    },
  );
}

course('events and types of a later revision are passed over at every step', async () => {
  const noise = [
    rawFrame(7, Buffer.from('later')),
    rawFrame(255, Buffer.alloc(0)),
    status(22),
    status(-22, 'malformed x'),
    status(99, 'news'),
  ];
  const steps: Partial<Steps> = {
    greeting: (visit) => [...noise, greeting(keyOf(visit))],
    auth: (visit) => [...noise, authOf(visit, sealed(challengeText(keyOf(visit)), visit.client))],
    user: (visit) => [...noise, frame('User', ownUser(visit))],
  };
  await withHostile(steps, async ({ port }) => {
    const link = await dialRelay(port);
    await link.close();
  });
});

course('datums as lists, keys as lists of numbers and texts as bytes are understood', async () => {
  const steps: Partial<Steps> = {
    greeting: (visit) => frame('User', [[utf8('a relay')], [...keyOf(visit)], 0]),
    auth: (visit) => {
      const box = sealed(challengeText(keyOf(visit)), visit.client);
      return frame('Auth', [sealed(1, visit.client), box, sealed(0, visit.client)]);
    },
    user: (visit) => frame('User', [[utf8('me')], [...visit.client], 9, utf8(visit.nonce)]),
  };
  await withHostile(steps, async ({ port, hex }) => {
    const identity = newIdentity();
    const link = await dialRelay(port, { identity });
    assert.equal(link.relay, {
      name: 'a relay',
      key: hex,
      host: '127.0.0.1',
      port,
      firstContact: true,
    });
    assert.equal(link.self, { key: identity.hex, aliases: ['me'], lastSeen: 9 });
    await link.close();
  });
});

course('names from the relay cannot move a cursor', async () => {
  const evil = '\x1b]0;x\x07\u202eadmin\n';
  const steps: Partial<Steps> = {
    greeting: (visit) => frame('User', { aliases: [evil], key: keyOf(visit), last_seen: 0 }),
    user: (visit) => frame('User', { ...ownUser(visit), aliases: [evil] }),
  };
  await withHostile(steps, async ({ port }) => {
    const link = await dialRelay(port);
    for (const name of [link.relay.name, ...link.self.aliases])
      assert.not.match(name, /[\p{Cc}\p{Cf}]/u);
    await link.close();
  });
});

course('nobody listens: relay-unreachable', async () => {
  let port = 0;
  await withHostile({}, async (hostile) => {
    port = hostile.port;
  });
  const error = await failure(dialRelay(port));
  assert.is(error.code, 'relay-unreachable');
  assert.match(error.message, /nothing listens there/);
});

course.run();
