// The commands after login: docs/protocols/flexim.md §8. Every answer, every refusal, and their order.

import { encode } from '@msgpack/msgpack';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  command,
  frame,
  type Keys,
  message,
  newKeys,
  type Peer,
  statusOf,
  TYPE,
  type UserDatum,
} from '../../peer.ts';
import { temporaryDirectory } from '../../relay.ts';
import { scene } from '../../scene.ts';

const DAY = 86_400;
let wall = 1_700_000_000;
const clock = { now: () => performance.now(), wall: () => wall };

/** Asserts a Status with this code and first word. */
async function says(peer: Peer, asked: readonly string[], status: number, word: string) {
  const [cmd = '', ...payload] = asked;
  const answer = statusOf(await peer.ask(cmd, ...payload));
  assert.equal([answer.status, answer.payload.split(' ')[0]], [status, word], asked.join(' '));
}

const names = (users: readonly UserDatum[]) => users.map(({ aliases }) => aliases.join());

// ---- answers ----

const commands = suite('flexim commands');

commands(
  'PING gives back what it got; an oversize one is malformed',
  scene(async ({ member }) => {
    const { peer } = await member();
    for (const text of [
      '',
      '42',
      'two words',
      'é€😀',
      '\u0000\u001b[2J',
      'x'.repeat(256),
      '€'.repeat(256),
    ])
      assert.equal(statusOf(await peer.ask('PING', text)), { status: 0, payload: text });
    assert.equal(statusOf(await peer.ask('PING')), { status: 0, payload: '' });
    assert.equal(statusOf(await peer.ask('PING', 'a', 'b')), { status: 0, payload: 'a' });
    await says(peer, ['PING', 'x'.repeat(257)], -2, 'too-long');
    await says(peer, ['PING', 'x'.repeat(65_000)], -2, 'too-long');
    assert.equal(statusOf(await peer.ask('OFFLINES')), { status: 0, payload: '' });
  }),
);

commands(
  'unknown commands, also those that every object has, get -2',
  scene(async ({ relay, member }) => {
    const { peer } = await member();
    const unknown = ['', 'ping', 'PING ', 'acks', 'fe1_put', 'FE1', 'FE1_GETS'];
    const tricky = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'é'.repeat(999)];
    for (const cmd of [...unknown, ...tricky]) await says(peer, [cmd, 'x'], -2, 'unknown-command');
    assert.is(relay.relay.drops.of('unknown-command'), unknown.length + tricky.length);
  }),
);

commands(
  'malformed commands get -2 and the connection goes on',
  scene(async ({ member }) => {
    const { peer } = await member();
    const bodies = [
      '',
      'c0',
      'c1',
      '80',
      '90',
      '93a3',
      '91a450494e47',
      '82a3636d64a450494e47a77061796c6f6164a0',
      '82a3636d64a450494e47a77061796c6f616491c0',
      '82a3636d6407a77061796c6f616490',
      '82a3636d64a450494e47a77061796c6f616490c0',
      '82a3636d64a2c328a77061796c6f616490',
      'df00ffffff',
      `82${'91'.repeat(17)}c0`,
    ];
    for (const hex of bodies) {
      peer.write(frame(TYPE.Command, Buffer.from(hex, 'hex')));
      const { status, payload } = await peer.status();
      assert.is(status, -2, hex);
      assert.match(payload, /^malformed ./);
    }
    for (const body of [['PING', ['x']], { payload: ['x'], a: {}, cmd: Buffer.from('PING') }]) {
      peer.write(frame(TYPE.Command, encode(body)));
      assert.equal(await peer.status(), { status: 0, payload: 'x' });
    }
  }),
);

commands(
  'GETUSER by key, by alias, of oneself; the last_seen of others is rounded down to the day',
  scene(
    async ({ member }) => {
      wall = 1_700_000_123;
      const alice = await member(newKeys(), 'Alice');
      const bob = await member(newKeys(), 'Bob');
      for (const who of [bob.hex, bob.hex.toUpperCase(), 'Bob', 'bOB', 'Ｂob']) {
        const user = await alice.peer.user('GETUSER', who);
        assert.equal(Object.keys(user), ['aliases', 'key', 'last_seen']);
        assert.equal(
          [user.aliases, user.last_seen],
          [['Bob'], 1_700_000_123 - (1_700_000_123 % DAY)],
        );
        assert.equal(Uint8Array.from(user.key), bob.keys.publicKey);
      }
      for (const who of [alice.hex, 'alice'])
        assert.is((await alice.peer.user('GETUSER', who)).last_seen, 1_700_000_123);
      for (const who of ['', 'nobody', newKeys().hex, 'a b', `${bob.hex}/live`, 'x'.repeat(60_000)])
        await says(alice.peer, ['GETUSER', who], -3, 'unknown-user');
      await says(alice.peer, ['GETUSER'], -3, 'unknown-user');
    },
    { clock },
  ),
);

commands(
  'SEARCH: folded prefixes of two characters and more, each user once, at most 50, nobody else',
  scene(async ({ member }) => {
    const { peer } = await member(newKeys(), 'Anna');
    await peer.user('REGISTER', 'anna2');
    await member(newKeys(), 'ANNE');
    await member(newKeys(), 'zoë');
    assert.equal(names(await peer.users('SEARCH', 'aN')), ['Anna,anna2', 'ANNE']);
    assert.equal(names(await peer.users('SEARCH', 'ＡＮＮＥ')), ['ANNE']);
    assert.equal(names(await peer.users('SEARCH', 'zo\u0065\u0308')), ['zoë']);
    for (const nobody of ['annas', 'a b', 'b'.repeat(33), '..', 'x'.repeat(9_999)])
      assert.equal(await peer.users('SEARCH', nobody), [], nobody);
    for (const short of ['', 'a', '😀']) await says(peer, ['SEARCH', short], -2, 'too-short');
    for (let i = 0; i < 60; i++) await member(newKeys(), `crowd${100 + i}`);
    const crowd = await peer.users('SEARCH', 'crowd');
    assert.equal(
      names(crowd),
      Array.from({ length: 50 }, (_, i) => `crowd${100 + i}`),
    );
  }),
);

commands(
  'BYE: Status 0 behind all other answers, then the end; nothing behind it counts',
  scene(async ({ relay, member }) => {
    const alice = await member();
    const bob = await member();
    alice.peer.write(
      command('REGISTER', 'late'),
      command('BYE'),
      message(bob.hex),
      command('PING'),
    );
    assert.is((await alice.peer.next()).type, TYPE.User);
    assert.equal(await alice.peer.lastStatus(), { status: 0, payload: '', end: 'end' });
    assert.equal(await bob.peer.settled(), []);
    assert.is(relay.relay.router.online, 1);
  }),
);

commands(
  'a hundred pipelined commands, REGISTER among them, are answered in order',
  scene(async ({ member }) => {
    const bob = await member();
    const { peer, hex } = await member();
    const asked: string[] = [];
    const parts: Uint8Array[] = [];
    for (let i = 0; i < 100; i++) {
      if (i % 5 === 1) parts.push(message(bob.hex, `${i}`), message('nobody', `${i}`));
      const cmd = (['PING', 'REGISTER', 'GETUSER', 'UNREGISTER', 'ROSTER'] as const)[i % 5];
      asked.push(`${cmd} ${i}`);
      if (cmd === 'REGISTER') parts.push(command(cmd, `alias${i}`));
      else if (cmd === 'UNREGISTER') parts.push(command(cmd, `alias${i - 2}`));
      else if (cmd === 'PING') parts.push(command(cmd, `${i}`));
      else if (cmd === 'GETUSER') parts.push(command(cmd, hex));
      else parts.push(command('ROSTER'));
    }
    peer.write(...parts);
    const answered: string[] = [];
    let events = 0;
    while (answered.length < 100) {
      const each = await peer.next();
      const i = answered.length;
      if (each.type === TYPE.Status && statusOf(each).status === -20) {
        assert.equal(statusOf(each).payload.split(' ').slice(0, 2), ['nobody', `${++events * 2}`]);
        assert.is(i % 5, 1, 'an event stands where its Message stood');
      } else if (each.type === TYPE.Status) answered.push(`PING ${statusOf(each).payload}`);
      else if (each.type === TYPE.Roster) answered.push(`ROSTER ${i}`);
      else {
        assert.is(each.type, TYPE.User);
        const has = each.body.includes(`alias${i - (i % 5) + 1}`);
        answered.push(`${i % 5 === 3 ? 'UNREGISTER' : i % 5 === 1 ? 'REGISTER' : 'GETUSER'} ${i}`);
        assert.is(has, i % 5 !== 3, `${i}: each sees what the one before did`);
      }
    }
    assert.equal(answered, asked);
    assert.is(events, 20);
    assert.is((await bob.peer.settled()).length, 20);
  }),
);

commands.run();

// ---- aliases ----

const aliases = suite('flexim aliases');

aliases(
  'what is an alias and what is not',
  scene(async ({ member }) => {
    const { peer, hex } = await member();
    const good = [
      'a',
      '0',
      '.',
      '-_.',
      'Zoë',
      'müller',
      'Ωμέγα',
      'Иван',
      '山田太郎',
      'x'.repeat(32),
      'علي',
    ];
    for (const alias of good) {
      assert.equal((await peer.user('REGISTER', alias)).aliases, [alias]);
      assert.equal((await peer.user('UNREGISTER', alias)).aliases, []);
    }
    const bad = [
      '',
      ' ',
      'a b',
      'a/b',
      '@a',
      'x'.repeat(33),
      hex,
      hex.toUpperCase(),
      'a\u200bb',
      '😀',
      'a\n',
    ];
    const mixed = ['aя', 'Αlice', 'pаypal', 'aω', 'яω'];
    const folding = ['ﷺ'.repeat(2), '㎏/', 'ﬁ'.repeat(17), '\ufdfa', '½'];
    for (const alias of [...bad, ...mixed, ...folding]) {
      await says(peer, ['REGISTER', alias], -5, 'alias-invalid');
      await says(peer, ['UNREGISTER', alias], -3, 'not-yours');
    }
    assert.equal((await peer.user('GETUSER', hex)).aliases, []);
  }),
);

aliases(
  'a text that is too long is refused before it is normalised',
  scene(async ({ member }) => {
    const { peer } = await member();
    const long = '\u0315\u0300'.repeat(16_000); // NFKC would sort these for a second
    const { normalize } = String.prototype;
    let longest = 0;
    String.prototype.normalize = function (this: string, form?: string) {
      longest = Math.max(longest, this.length);
      return normalize.call(this, form);
    };
    try {
      await says(peer, ['REGISTER', long], -5, 'alias-invalid');
      await says(peer, ['UNREGISTER', long], -3, 'not-yours');
      await says(peer, ['GETUSER', long], -3, 'unknown-user');
      assert.equal(await peer.users('SEARCH', long), []);
      await says(peer, ['ROSTER', long], -2, 'bad-cursor');
      peer.write(message(long));
      assert.is((await peer.status()).status, -20);
    } finally {
      String.prototype.normalize = normalize;
    }
    assert.ok(longest <= 128, `${longest} characters were normalised`);
  }),
);

aliases(
  'one alias in any spelling belongs to one key; five for a key',
  scene(async ({ relay, member }) => {
    const alice = await member();
    const bob = await member();
    assert.equal((await alice.peer.user('REGISTER', 'Straße')).aliases, ['Straße']);
    assert.equal((await alice.peer.user('REGISTER', 'STRAßE')).aliases, ['Straße'], 'it has it');
    for (const taken of ['straße', 'Ｓtraße'])
      await says(bob.peer, ['REGISTER', taken], -5, 'alias-taken');
    await says(bob.peer, ['UNREGISTER', 'Straße'], -3, 'not-yours');
    for (const alias of ['b', 'c', 'd', 'e']) await alice.peer.user('REGISTER', alias);
    await says(alice.peer, ['REGISTER', 'f'], -5, 'alias-limit');
    assert.is((await alice.peer.user('REGISTER', 'E')).aliases.length, 5, 'has it already');
    await alice.peer.user('UNREGISTER', 'C');
    assert.equal((await alice.peer.user('REGISTER', 'f')).aliases, ['Straße', 'b', 'd', 'e', 'f']);
    await says(alice.peer, ['UNREGISTER', 'C'], -3, 'not-yours');
    assert.is(relay.relay.drops.of('alias-refused'), 3);
  }),
);

aliases(
  'a freed alias names nobody and is held back for 30 days, but not from its old owner',
  scene(
    async ({ member }) => {
      wall = 1_700_000_000;
      const alice = await member(newKeys(), 'Rose');
      const bob = await member();
      await alice.peer.user('UNREGISTER', 'rose');
      await says(bob.peer, ['GETUSER', 'rose'], -3, 'unknown-user');
      assert.equal(await bob.peer.users('ROSTER'), []);
      assert.equal(await bob.peer.users('SEARCH', 'ro'), []);
      bob.peer.write(message('rose'));
      assert.is((await bob.peer.status()).status, -20);
      await says(bob.peer, ['REGISTER', 'ROSE'], -5, 'alias-held');
      wall += 30 * DAY - 1;
      await says(bob.peer, ['REGISTER', 'rose'], -5, 'alias-held');
      assert.equal((await alice.peer.user('REGISTER', 'ROSE')).aliases, ['ROSE'], 'its old owner');
      await says(bob.peer, ['REGISTER', 'rose'], -5, 'alias-taken');
      await alice.peer.user('UNREGISTER', 'Rose');
      wall += 30 * DAY;
      assert.equal((await bob.peer.user('REGISTER', 'rosE')).aliases, ['rosE']);
      await says(alice.peer, ['REGISTER', 'rose'], -5, 'alias-taken');
      assert.equal(
        Uint8Array.from((await alice.peer.user('GETUSER', 'ROSE')).key),
        bob.keys.publicKey,
      );
    },
    { clock },
  ),
);

aliases(
  'of twenty who want one alias at once exactly one gets it',
  scene(async ({ member }) => {
    const members = await Promise.all(Array.from({ length: 20 }, () => member()));
    const answers = await Promise.all(
      members.map(({ peer }, i) => peer.ask('REGISTER', i % 2 ? 'Wanted' : 'wanted')),
    );
    const won = answers.filter(({ type }) => type === TYPE.User).length;
    assert.is(won, 1);
    const lost = answers.filter((each) => each.type === TYPE.Status).map(statusOf);
    assert.ok(lost.every(({ status, payload }) => status === -5 && /^alias-taken /.test(payload)));
  }),
);

aliases('aliases, users and what is held back outlive the relay', async () => {
  const data = temporaryDirectory();
  const [alice, bob]: [Keys, Keys] = [newKeys(), newKeys()];
  wall = 1_700_000_000;
  await scene(
    async ({ member }) => {
      const { peer } = await member(alice, 'Alice');
      await peer.user('REGISTER', 'second');
      await peer.user('UNREGISTER', 'second');
      await member(bob);
    },
    { data, clock },
  )();
  wall += DAY;
  await scene(
    async ({ connect, member }) => {
      const { peer } = await member(bob);
      const user = await peer.user('GETUSER', 'alice');
      assert.equal(user.aliases, ['Alice']);
      assert.equal(Uint8Array.from(user.key), alice.publicKey);
      await says(peer, ['REGISTER', 'ALICE'], -5, 'alias-taken');
      await says(peer, ['REGISTER', 'second'], -5, 'alias-held');
      peer.write(message('alice'));
      assert.equal(await peer.status(), { status: 20, payload: 'alice 1' }, 'known, and away');
      const again = await (await connect()).login(alice);
      assert.equal([again.user.aliases, again.lastSeen], [['Alice'], 1_700_000_000]);
      assert.equal(
        again.queued.map(({ bytes }) => bytes),
        [message('alice')],
      );
    },
    { data, clock },
  )();
});

aliases.run();

// ---- roster ----

const roster = suite('flexim roster');

const fold = (alias: string) => alias.normalize('NFKC').toLowerCase().normalize('NFKC');
const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
const firstAlias = ({ aliases: all }: UserDatum) => all.map(fold).sort(byBytes)[0] as string;

/** All pages, as §8.5 says. */
async function readAll(peer: Peer): Promise<UserDatum[][]> {
  const pages: UserDatum[][] = [];
  for (let after: string | null = null; ; ) {
    const page: UserDatum[] = await peer.users('ROSTER', ...(after === null ? [] : [after]));
    const last = page.at(-1);
    if (!last) return pages;
    pages.push(page);
    assert.ok(pages.length < 20, 'it does not end');
    after = firstAlias(last);
  }
}

roster(
  'pages: everybody with an alias once, in the order of bytes, and as many as fit a frame',
  scene(async ({ relay, member }) => {
    const { directory } = relay.relay;
    const COUNT = 700;
    // U+20000 comes behind U+FA0E in UTF-8, and before it in UTF-16.
    const odd = ['\u{20000}', '\ufa0e', 'Ωμέγα', 'Яков', 'Zed', '.dot', '山田'];
    const wanted = [...odd, ...Array.from({ length: COUNT }, (_, i) => `U${i}`)];
    await Promise.all(
      wanted.map(async (alias, i) => {
        const { hex } = newKeys();
        await directory.login(hex, alias);
        if (i >= odd.length && i % 3 === 0)
          for (const n of [1, 2, 3, 4])
            await directory.register(hex, `zz${i}.${n}-${'x'.repeat(20)}`);
      }),
    );
    const twice = newKeys().hex; // first by bytes is not first by UTF-16, and only that one counts
    await directory.login(twice, '\u{20000}a');
    await directory.register(twice, '\ufa0ea');
    wanted.push('\ufa0ea');
    const { peer } = await member(); // without an alias: not listed
    const pages = await readAll(peer);
    const all = pages.flat();
    assert.ok(pages.length > 1, 'more than one page');
    assert.is(new Set(all.map(({ key }) => Buffer.from(key).toString('hex'))).size, wanted.length);
    assert.equal(all.map(firstAlias), wanted.map(fold).sort(byBytes));
    for (const page of pages.slice(0, -1)) {
      const size = encode({ users: page }).length;
      assert.ok(size <= 0xffff && size > 0xffff - 400, `a page of ${size} bytes`);
    }
    const behind = (await peer.users('ROSTER', 'yyy')).map(firstAlias);
    assert.equal(
      behind,
      wanted
        .map(fold)
        .sort(byBytes)
        .filter((each) => byBytes(each, 'yyy') > 0),
    );
  }),
);

roster(
  'after an alias that does not exist, one that is none, and an empty one',
  scene(async ({ member }) => {
    const { peer } = await member(newKeys(), 'b');
    await member(newKeys(), 'd');
    assert.equal(names(await peer.users('ROSTER', 'A')), ['b', 'd']);
    assert.equal(names(await peer.users('ROSTER', 'B')), ['d']);
    assert.equal(names(await peer.users('ROSTER', 'c')), ['d']);
    assert.equal(names(await peer.users('ROSTER', 'd')), []);
    assert.equal(names(await peer.users('ROSTER')), ['b', 'd']);
    assert.equal(names(await peer.users('ROSTER', '')), ['b', 'd']);
    for (const none of ['a b', newKeys().hex]) await says(peer, ['ROSTER', none], -2, 'bad-cursor');
  }),
);

roster(
  'the roster shows last_seen by the day, also one’s own',
  scene(
    async ({ member }) => {
      wall = 1_700_000_123;
      const { peer } = await member(newKeys(), 'me');
      const [me] = await peer.users('ROSTER');
      assert.is(me?.last_seen, 1_700_000_123 - (1_700_000_123 % DAY));
    },
    { clock },
  ),
);

roster(
  'with the policy none ROSTER and SEARCH are empty, GETUSER is not; it may change while it runs',
  scene(
    async ({ relay, member }) => {
      const { peer } = await member(newKeys(), 'alice');
      assert.equal(await peer.users('ROSTER'), []);
      assert.equal(await peer.users('SEARCH', 'alice'), []);
      await says(peer, ['SEARCH', 'a'], -2, 'too-short');
      assert.equal((await peer.user('GETUSER', 'alice')).aliases, ['alice']);
      relay.relay.roster = 'listed';
      assert.equal(names(await peer.users('ROSTER')), ['alice']);
    },
    { roster: 'none' },
  ),
);

roster.run();
