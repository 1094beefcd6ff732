// Time limits of the client's side. Time stands still here and passes at the test's word alone, for
// timers and for the monotonic clock: docs/protocols/flexim.md §3.3 and §8.1, and reconnecting.
import { rmSync } from 'node:fs';
import { mock } from 'node:test';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newIdentity } from '../../../src/crypto/identity.ts';
import { FleximError } from '../../../src/lib/errors.ts';
import type { Link, LinkEvent } from '../../../src/protocols/protocol.ts';
import {
  frame,
  Hostile,
  message,
  ownUser,
  type Steps,
  status,
  withHostile,
} from '../../hostile-relay.ts';
import { dialRelay, startRelay, temporaryDirectory } from '../../relay.ts';
import {
  codeOf,
  drain,
  firstOfMany,
  MANY,
  numberOf,
  numbers,
  silence,
  take,
  turn,
  withLink,
} from './links.ts';

let passed = 0;
const real = performance.now.bind(performance);

function pass(ms: number): void {
  passed += ms;
  mock.timers.tick(ms);
}

const time = suite('time: a session');
// Never switched back: a timer of one world could not be cleared in the other.
time.before(() => {
  mock.method(performance, 'now', () => real() + passed);
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
});

for (const [step, seen] of [
  ['greeting', ['hello']],
  ['auth', ['hello', 'ACKS', 'AUTH']],
  ['user', ['hello', 'ACKS', 'AUTH', 'AuthResponse']],
] as const)
  time(`silence in the place of the ${step} ends in login-timeout`, () =>
    withHostile({ [step]: () => null }, async (hostile) => {
      const login = codeOf(dialRelay(hostile.port, { timeoutMs: 15_000 }));
      const visit = await hostile.visit();
      await visit.saw(seen.at(-1) as string);
      pass(14_999);
      await turn();
      assert.is(visit.socket.destroyed, false);
      pass(1);
      assert.is(await login, 'login-timeout');
      await visit.closed;
      assert.equal(visit.seen, seen);
    }),
  );

time('a login that the caller gives up ends without waiting for any time', () =>
  withHostile({ greeting: () => null }, async (hostile) => {
    const [before, after] = [new AbortController(), new AbortController()];
    before.abort();
    assert.is(await codeOf(dialRelay(hostile.port, { signal: before.signal })), 'closed');
    const login = codeOf(dialRelay(hostile.port, { signal: after.signal }));
    const visit = await hostile.visit();
    await visit.saw('hello');
    after.abort();
    assert.is(await login, 'closed');
    await visit.closed;
  }),
);

time(
  'the first Message is acknowledged at once, those that follow soon together, and many at once',
  () =>
    withLink(silence, async (link, visit) => {
      const deliveries = link.deliveries();
      const done = async (count: number) => {
        visit.send(...Array.from({ length: count }, (_, i) => message(`${i}`)));
        for (const each of await take(deliveries, count)) each.done();
      };
      const acknowledged = async (...expected: string[]) => {
        await visit.saw('ACK', expected.length);
        for (let i = 0; i < 20; i++) await turn();
        assert.equal(visit.acknowledged, expected);
      };
      await done(1);
      await acknowledged('1');
      await done(2);
      await acknowledged('1');
      pass(1);
      await acknowledged('1');
      pass(1);
      await acknowledged('1', '3');
      await done(63);
      await acknowledged('1', '3');
      await done(1);
      await acknowledged('1', '3', '67');
      pass(2);
      await turn();
      await done(1);
      await acknowledged('1', '3', '67', '68');
      visit.send(message('x'.repeat(4_000)), message('y'.repeat(5_000)));
      for (const each of await take(deliveries, 2)) each.done();
      await acknowledged('1', '3', '67', '68', '70');
      await done(1); // and the end of the link does not forget it
      await link.close();
      await acknowledged('1', '3', '67', '68', '70', '71');
    }),
);

time(
  'a relay that stops hears what was to be acknowledged after the pause, and then the farewell',
  () =>
    withLink(silence, async (link, visit) => {
      const deliveries = link.deliveries();
      for (const count of [1, 2]) {
        visit.send(...Array.from({ length: count }, (_, i) => message(`${i}`)));
        for (const each of await take(deliveries, count)) each.done();
        await visit.saw('ACK');
      }
      visit.send(status(-7, '1'));
      await visit.saw('BYE');
      assert.equal(visit.acknowledged, ['1', '3']);
      assert.ok(visit.seen.indexOf('BYE') > visit.seen.lastIndexOf('ACK'));
    }),
);

time('a relay that does not answer for 20 s is given up', () =>
  withLink(silence, async (link, visit) => {
    const code = codeOf(link.ping());
    await visit.saw('PING');
    pass(19_000);
    await turn();
    assert.is(visit.socket.destroyed, false);
    pass(1_500);
    assert.is(await code, 'connection-lost');
    assert.match((await link.closed)?.message ?? '', /does not answer any more/);
  }),
);

time('a quiet link is asked every 30 s, and not twice while an answer is out', () =>
  withLink({}, async (link, visit) => {
    pass(29_999);
    await link.ping();
    assert.equal(visit.seen.slice(4), ['PING']);
    pass(1);
    await visit.saw('PING', 2);
    await link.ping();
    pass(30_000);
    await visit.saw('PING', 4);
  }),
);

time('no answer is late while the consumer does not take: the link is not lost', () =>
  withLink(silence, async (link, visit) => {
    const early = link.ping();
    await visit.saw('PING');
    const deliveries = await firstOfMany(link, visit);
    const late = link.ping();
    pass(600_000);
    await turn();
    assert.equal((await take(deliveries, MANY - 1)).map(numberOf), numbers(1));
    await visit.saw('PING', 2);
    visit.send(status(0), status(0));
    await Promise.all([early, late]);
    assert.equal(visit.seen.slice(4), ['PING', 'PING'], 'no heartbeat while answers are out');
  }),
);

time.run();

// ---- reconnecting ----

const again = suite('time: reconnecting');
const BOUNDS = { minMs: 100, maxMs: 5_000 };

/** The next event of this kind. */
async function next<K extends LinkEvent['kind']>(link: Link, kind: K) {
  for await (const event of link.events())
    if (event.kind === kind) return event as LinkEvent & { kind: K };
  throw new Error(`the link was closed without ${kind}`);
}

again('a relay that stops and starts again: down, then up, and everything works', async () => {
  const data = temporaryDirectory();
  const friend = newIdentity();
  let relay = await startRelay({ data });
  const { port, identity } = relay;
  const link = await dialRelay(port, { reconnect: BOUNDS });
  try {
    await next(link, 'up');
    await relay.stop();
    const { error, retryMs } = await next(link, 'down');
    assert.is(error.code, 'relay-stopping');
    assert.ok(retryMs >= 1_000, `the relay asked for 1 s or more, not ${retryMs} ms`);
    assert.is(
      codeThrown(() => link.send(friend.hex, new Uint8Array(1))),
      'not-connected',
    );
    assert.is(await codeOf(link.ping()), 'not-connected');
    assert.is(await codeOf(link.directory?.find('x') as Promise<unknown>), 'not-connected');
    relay = await startRelay({ data, port, identity });
    pass(retryMs);
    const up = await next(link, 'up');
    assert.is(up.relay.key, identity.hex);
    await link.ping();
    const other = await dialRelay(port, { identity: friend });
    assert.is(link.send(friend.hex, Buffer.from('after'), {}), 1);
    const [delivery] = await take(other.deliveries(), 1);
    assert.is(Buffer.from(delivery?.envelope ?? []).toString(), 'after');
    await other.close();
  } finally {
    await link.close();
    await relay.stop();
    rmSync(data, { recursive: true });
  }
});

function codeThrown(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof FleximError ? error.code : String(error);
  }
  return 'nothing';
}

again('pauses grow from the least to the most, and never leave these bounds', async () => {
  const hostile = new Hostile({});
  await hostile.listen();
  const link = await dialRelay(hostile.port, { reconnect: BOUNDS });
  await hostile.stop();
  const pauses: number[] = [];
  for (let i = 0; i < 12; i++) {
    const { error, retryMs } = await next(link, 'down');
    assert.is(error.code, i === 0 ? 'connection-lost' : 'relay-unreachable');
    pauses.push(retryMs);
    pass(retryMs);
  }
  pauses.forEach((pause, i) => {
    const most = Math.min(BOUNDS.maxMs, BOUNDS.minMs * 2 ** (i + 1));
    const least = Math.max(BOUNDS.minMs, most / 2);
    assert.ok(pause >= least && pause <= most, `pause ${i} of ${pause}, not ${least} to ${most}`);
  });
  await link.close();
});

again('pauses of many clients differ', () =>
  withHostile({}, async (hostile) => {
    const pauses = new Set<number>();
    for (let i = 0; i < 20; i++) {
      const link = await dialRelay(hostile.port, { reconnect: { minMs: 60_000, maxMs: 600_000 } });
      (await hostile.visit()).socket.destroy();
      pauses.add((await next(link, 'down')).retryMs);
      await link.close();
    }
    assert.ok(pauses.size > 10, `${pauses.size} of 20`);
  }),
);

again('a relay that asks for time gets at least so much, and not more than an hour', async () => {
  for (const [payload, least, most] of [
    ['7 stopping', 7_000, 7_200],
    ['0', 100, 200],
    ['soon', 100, 200],
    ['4000 x', 3_600_000, 3_600_200],
    ['99999999999999999999', 3_600_000, 3_600_200],
    ['-5', 100, 200],
  ] as const)
    await withHostile({}, async (hostile) => {
      const link = await dialRelay(hostile.port, { reconnect: BOUNDS });
      (await hostile.visit()).send(status(-7, payload));
      const { error, retryMs } = await next(link, 'down');
      assert.is(error.code, 'relay-stopping');
      assert.ok(retryMs >= least && retryMs <= most, `${payload}: ${retryMs} ms`);
      pass(retryMs - 1);
      await turn();
      assert.is(hostile.visits.length, 1);
      pass(1);
      await next(link, 'up');
      await link.close();
    });
});

again('a login that came too soon is tried again after the seconds that the relay asks for', () => {
  const steps: Partial<Steps> = {};
  return withHostile(steps, async (hostile) => {
    const link = await dialRelay(hostile.port, { reconnect: BOUNDS });
    for (const word of ['login-busy', 'login-new-key']) {
      steps.auth = () => status(-1, `${word} 7 too many`);
      (await hostile.visit()).socket.destroy();
      pass((await next(link, 'down')).retryMs);
      const { error, retryMs } = await next(link, 'down');
      assert.is(error.code, 'slow-down');
      assert.ok(retryMs >= 7_000 && retryMs < 13_000, `${retryMs} ms`);
      delete steps.auth;
      await hostile.visit(); // the one that was refused
      pass(retryMs);
      await next(link, 'up');
    }
    await link.close();
  });
});

again('a session that lasted makes the next pause short again', () =>
  withHostile({}, async (hostile) => {
    const link = await dialRelay(hostile.port, { reconnect: BOUNDS });
    const lose = async () => {
      (await hostile.visit()).socket.destroy();
      const { retryMs } = await next(link, 'down');
      pass(retryMs);
      await next(link, 'up');
      return retryMs;
    };
    await next(link, 'up');
    for (let i = 0; i < 6; i++) await lose();
    assert.ok((await lose()) >= 2_500);
    pass(30_001);
    assert.ok((await lose()) <= 200);
    await link.close();
  }),
);

again('close during a pause ends everything: no timer, no try, iterators done', () =>
  withHostile({}, async (hostile) => {
    const link = await dialRelay(hostile.port, { reconnect: BOUNDS });
    const deliveries = drain(link.deliveries());
    (await hostile.visit()).socket.destroy();
    const { retryMs } = await next(link, 'down');
    await link.close();
    pass(retryMs * 10);
    assert.is(await link.closed, null);
    assert.equal(await deliveries, []);
    assert.equal(await drain(link.events()), []);
    await (await dialRelay(hostile.port)).close();
    assert.is(hostile.visits.length, 2);
  }),
);

for (const step of ['greeting', 'auth', 'user'] as const)
  again(`close while a new login waits for the ${step} gives that login up`, () => {
    let logins = 0;
    const steps: Partial<Steps> = {};
    return withHostile(steps, async (hostile) => {
      const link = await dialRelay(hostile.port, { reconnect: BOUNDS });
      steps[step] = () => {
        logins++;
        return null;
      };
      (await hostile.visit()).socket.destroy();
      pass((await next(link, 'down')).retryMs);
      const visit = await hostile.visit();
      await visit.saw({ greeting: 'hello', auth: 'AUTH', user: 'AuthResponse' }[step]);
      await link.close();
      await visit.closed;
      assert.is(await link.closed, null);
      assert.is(logins, 1);
    });
  });

again('a login that is refused for good ends the link with the reason', () => {
  const steps: Partial<Steps> = {};
  return withHostile(steps, async (hostile) => {
    const link = await dialRelay(hostile.port, { reconnect: BOUNDS });
    steps.user = (visit) => frame('User', { ...ownUser(visit), proof: 'x' });
    (await hostile.visit()).socket.destroy();
    pass((await next(link, 'down')).retryMs);
    assert.is((await link.closed)?.code, 'relay-auth-mismatch');
    await drain(link.events());
    assert.is(hostile.visits.length, 2);
  });
});

again('one connection at a time, also when it is cut while the alias is claimed', () => {
  const steps: Partial<Steps> = {
    answer: ({ socket }, { cmd }) => {
      if (cmd === 'REGISTER') socket.destroy();
      else if (cmd === 'BYE') socket.end();
      return null;
    },
  };
  return withHostile(steps, async (hostile) => {
    hostile.lastSeen = 0; // a key that is new here claims its alias
    const link = await dialRelay(hostile.port, { reconnect: BOUNDS, alias: 'me' });
    for (let i = 0; i < 3; i++) {
      pass((await next(link, 'down')).retryMs);
      await next(link, 'up');
    }
    await next(link, 'down');
    assert.is(hostile.visits.length, 4);
    await link.close();
  });
});

again('without reconnecting, a cut while the alias is claimed fails the dialling', () =>
  withHostile({ answer: () => null }, async (hostile) => {
    hostile.lastSeen = 0;
    hostile.visit().then(async (visit) => {
      await visit.saw('REGISTER');
      visit.socket.destroy();
    });
    assert.is(await codeOf(dialRelay(hostile.port, { alias: 'me' })), 'connection-lost');
  }),
);

again(
  'an answer to the alias that makes no sense fails the dialling, and leaves nothing open',
  () =>
    withHostile({ answer: () => status(0) }, async (hostile) => {
      hostile.lastSeen = 0;
      assert.is(await codeOf(dialRelay(hostile.port, { alias: 'me' })), 'protocol-violation');
      await (await hostile.visit()).closed;
    }),
);

again('an alias that is refused is an event with the reason, and no failure', () => {
  const answer: Steps['answer'] = ({ socket }, { cmd }) => {
    if (cmd === 'BYE') setImmediate(() => socket.end());
    return cmd === 'REGISTER' ? status(-5, 'alias-taken it is gone') : status(0);
  };
  return withHostile({ answer }, async (hostile) => {
    hostile.lastSeen = 0;
    const link = await dialRelay(hostile.port, { alias: 'me' });
    assert.equal(await next(link, 'alias-refused'), {
      kind: 'alias-refused',
      alias: 'me',
      reason: 'the relay refused: it is gone',
    });
    await link.ping();
    await link.close();
  });
});

again.run();
