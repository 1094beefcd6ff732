// What every Protocol keeps, whichever it is: the promises of src/protocols/protocol.ts, run on real
// connections. A protocol's own test file hands in a suite, and how to start a relay and dial it.
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Identity, newIdentity } from '../src/crypto/identity.ts';
import { type ErrorCode, isFleximError } from '../src/lib/errors.ts';
import type { Delivery, Link, LinkEvent, Protocol } from '../src/protocols/protocol.ts';

export interface Started {
  readonly port: number;
  readonly key: string;
  stop(): Promise<void>;
}

export interface Carrier {
  readonly protocol: Protocol;
  start(): Promise<Started>;
  /** True where links are direct: nobody keeps anything, and who is there is told. */
  readonly isDirect?: boolean;
  /** Dials without reconnecting, with pins of its own; of direct links, until all who are there have met. */
  dial(started: Started, options: { identity: Identity; alias?: string }): Promise<Link>;
}

interface Setting {
  readonly relay: Started;
  readonly dial: (identity?: Identity, alias?: string) => Promise<Link>;
}

type Bytes = Uint8Array<ArrayBufferLike>;
const bytesOf = (...values: number[]): Bytes => Uint8Array.from(values);

/** Bytes that no text survives: every value, from another start for each seed. */
function binary(length: number, seed: number): Bytes {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 7 + (i >> 8)) & 0xff);
}

export function conformance(test: Test, { protocol, start, dial, isDirect }: Carrier): Test {
  /** A test with a relay of its own; every link it dials is closed after it. */
  const check = (name: string, body: (setting: Setting) => Promise<void>) =>
    test(name, async () => {
      const relay = await start();
      const links: Link[] = [];
      try {
        await body({
          relay,
          dial: async (identity = newIdentity(), alias) => {
            const link = await dial(relay, { identity, ...(alias ? { alias } : {}) });
            links.push(link);
            return link;
          },
        });
      } finally {
        await Promise.all(links.map((link) => link.close()));
        await relay.stop();
      }
    });

  /** What a relay does, and nothing without one. */
  const checkRelay: typeof check = (name, body) => {
    if (!isDirect) check(name, body);
  };

  test('the protocol describes itself', () => {
    assert.match(protocol.name, /^[a-z]+$/);
    assert.ok(protocol.defaultPort > 0 && protocol.defaultPort < 65_536);
    assert.ok(protocol.maxEnvelope >= 16_384, 'an envelope of 16 KiB must fit');
  });

  checkRelay('a link says which relay it reached, and who it is there', async ({ relay, dial }) => {
    const identity = newIdentity();
    const link = await dial(identity);
    assert.is(link.relay.key, relay.key);
    assert.is(link.relay.port, relay.port);
    assert.is(link.relay.firstContact, true);
    assert.is(link.self.key, identity.hex);
    const up = await eventOf(link, 'up');
    assert.equal(up, { kind: 'up', relay: link.relay, self: link.self });
  });

  check('envelopes of any length and content go both ways unchanged', async ({ dial }) => {
    const [a, b] = [await dial(), await dial()];
    for (const length of [1, 2, 31, 32, 255, 256, 512, 16_384, protocol.maxEnvelope]) {
      if (length > protocol.maxEnvelope) continue;
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        const sent = binary(length, length);
        from.send(to.self.key, sent);
        assert.equal([...(await taken(to))], [...sent], `${length} bytes`);
      }
    }
  });

  checkRelay('an envelope to oneself comes back', async ({ dial }) => {
    const link = await dial();
    link.send(link.self.key, bytesOf(0, 255));
    assert.equal([...(await taken(link))], [0, 255]);
  });

  check('the sender may use his bytes again at once', async ({ dial }) => {
    const [a, b] = [await dial(), await dial()];
    const sent = bytesOf(1, 2, 3);
    a.send(b.self.key, sent);
    sent.fill(9);
    assert.equal([...(await taken(b))], [1, 2, 3]);
  });

  check('what is too large is refused, and the link goes on', async ({ dial }) => {
    const [a, b] = [await dial(), await dial()];
    fails(() => a.send(b.self.key, new Uint8Array(70_000)), 'frame-too-large');
    a.send(b.self.key, bytesOf(4));
    assert.equal([...(await taken(b))], [4]);
  });

  check('a thousand envelopes keep their order and are numbered', async ({ dial }) => {
    const [a, b] = [await dial(), await dial()];
    const count = 1_000;
    for (let i = 0; i < count; i++)
      assert.is(a.send(b.self.key, Buffer.from(`${i} ${'x'.repeat(i % 300)}`)), i + 1);
    for (let i = 0; i < count; i++)
      assert.is(Number.parseInt(Buffer.from(await taken(b)).toString(), 10), i);
  });

  check('a delivery can be done, once or twice', async ({ dial }) => {
    const [a, b] = [await dial(), await dial()];
    a.send(b.self.key, bytesOf(1));
    const delivery = await nextOf(b.deliveries());
    delivery.done();
    delivery.done();
    if (!isDirect) await b.ping();
  });

  checkRelay(
    'offline, then online: what was sent is queued, comes in order, and then 22',
    async ({ dial }) => {
      const a = await dial();
      const identity = newIdentity();
      await (await dial(identity)).close();
      const sent = [0, 1, 2, 3].map((seed) => binary(1_000 + seed, seed));
      const numbers = sent.map((envelope) => a.send(identity.hex, envelope));
      for (const n of numbers)
        assert.equal(await eventOf(a, 'queued'), { kind: 'queued', to: identity.hex, n });
      const back = await dial(identity);
      for (const envelope of sent) assert.equal([...(await taken(back))], [...envelope]);
      await eventOf(back, 'caught-up');
      a.send(identity.hex, bytesOf(9));
      assert.equal([...(await taken(back))], [9]);
    },
  );

  check('caught-up comes when nothing waits, too', async ({ dial }) => {
    const link = await dial();
    await eventOf(link, 'up');
    await eventOf(link, 'caught-up');
  });

  checkRelay(
    'what was not done comes again, first and in order; what was done does not',
    async ({ dial }) => {
      const a = await dial();
      const identity = newIdentity();
      const first = await dial(identity);
      for (let n = 1; n <= 6; n++) a.send(identity.hex, bytesOf(n));
      const deliveries: Delivery[] = [];
      while (deliveries.length < 6) deliveries.push(await nextOf(first.deliveries()));
      for (const n of [1, 3, 2, 5]) deliveries[n - 1]?.done(); // 4 is missing
      await first.ping(); // by then what is done is on its way
      await first.close();
      a.send(identity.hex, bytesOf(7));
      const second = await dial(identity);
      const again: number[] = [];
      while (again.at(-1) !== 7) again.push(...(await taken(second)));
      assert.equal(again, [4, 5, 6, 7], 'from the first gap on');
      deliveries[3]?.done(); // too late: it changes nothing
      await second.ping();
      await second.close();
      const third = await dial(identity);
      const rest: number[] = [];
      for (let n = 4; n <= 7; n++) {
        const delivery = await nextOf(third.deliveries());
        rest.push(...delivery.envelope);
        delivery.done();
      }
      assert.equal(rest, again, 'nobody said it was done');
      await third.close();
      const last = await dial(identity);
      a.send(identity.hex, bytesOf(8));
      assert.equal([...(await taken(last))], [8]);
    },
  );

  checkRelay('a newer login gets what the older one had not done', async ({ dial }) => {
    const a = await dial();
    const identity = newIdentity();
    const older = await dial(identity);
    for (let n = 1; n <= 3; n++) a.send(identity.hex, bytesOf(n));
    (await nextOf(older.deliveries())).done();
    for (let n = 2; n <= 3; n++) await taken(older);
    await older.ping();
    await older.ping(); // behind what was done
    const newer = await dial(identity);
    assert.is((await older.closed)?.code, 'replaced');
    for (let n = 2; n <= 3; n++) assert.equal([...(await taken(newer))], [n]);
  });

  check('live: to somebody who is there it arrives', async ({ dial }) => {
    const [a, b] = [await dial(), await dial()];
    a.send(b.self.key, bytesOf(5), { live: true });
    assert.equal([...(await taken(b))], [5]);
  });

  checkRelay('live: to nobody there is neither an event nor a delivery later', async ({ dial }) => {
    const a = await dial();
    const gone = newIdentity();
    await (await dial(gone)).close();
    assert.is(a.send(gone.hex, bytesOf(1), { live: true }), 1);
    assert.is(a.send(newIdentity().hex, bytesOf(2), { live: true }), 2);
    assert.is(a.send(newIdentity().hex, bytesOf(3)), 3);
    const event = await eventOf(a, 'unknown');
    assert.is(event.n, 3, 'the first event is about the one that was not live');
    const back = await dial(gone);
    a.send(gone.hex, bytesOf(4));
    assert.equal([...(await taken(back))], [4]);
  });

  check('an unknown recipient is an event with name and number', async ({ dial }) => {
    const [a, b] = [await dial(), await dial()];
    const nobody = newIdentity().hex;
    a.send(b.self.key, bytesOf(1));
    a.send(nobody, bytesOf(2));
    a.send(b.self.key, bytesOf(3));
    assert.equal(await eventOf(a, 'unknown'), { kind: 'unknown', to: nobody, n: 2 });
    assert.equal([...(await taken(b)), ...(await taken(b))], [1, 3]);
  });

  checkRelay('ping gives a time, many at once too', async ({ dial }) => {
    const link = await dial();
    const times = await Promise.all(Array.from({ length: 50 }, () => link.ping()));
    assert.ok(times.every((ms) => ms > 0 && Number.isFinite(ms)));
  });

  checkRelay('the directory, where there is one', async ({ dial }) => {
    const a = await dial();
    const { directory } = a;
    if (directory === null) return;
    const b = await dial();
    assert.equal((await directory.register('Ada')).aliases, ['Ada']);
    assert.equal(a.self.aliases, ['Ada']);
    assert.is((await b.directory?.find('ada'))?.key, a.self.key);
    assert.is((await b.directory?.find(a.self.key.toUpperCase()))?.key, a.self.key);
    assert.is(await b.directory?.find('nobody'), null);
    assert.equal(
      (await b.directory?.search('ad'))?.map(({ key }) => key),
      [a.self.key],
    );
    const page = (await b.directory?.roster()) ?? [];
    assert.equal(
      page.map(({ key }) => key),
      [a.self.key],
    );
    assert.equal(await b.directory?.roster('ada'), []);
    await rejects(b.directory?.register('ADA'), 'command-refused');
    assert.equal((await directory.unregister('ada')).aliases, []);
    assert.is(await b.directory?.find('ada'), null);
  });

  checkRelay('the first login claims the alias; a taken one is told', async ({ dial }) => {
    const a = await dial(newIdentity(), 'eve');
    if (a.directory === null) return;
    assert.equal(a.self.aliases, ['eve']);
    const b = await dial(newIdentity(), 'eve');
    assert.equal(b.self.aliases, []);
    const refused = await eventOf(b, 'alias-refused');
    assert.is(refused.alias, 'eve');
    assert.match(refused.reason, /somebody else/);
  });

  check('two links of two keys do not disturb each other', async ({ dial }) => {
    const [a, b, c] = [await dial(), await dial(), await dial()];
    for (let i = 0; i < 100; i++) {
      a.send(c.self.key, bytesOf(0, i));
      b.send(c.self.key, bytesOf(1, i));
    }
    const got: number[][] = [[], []];
    for (let i = 0; i < 200; i++) {
      const [from = 0, n = 0] = await taken(c);
      got[from]?.push(n);
    }
    const inOrder = Array.from({ length: 100 }, (_, i) => i);
    assert.equal(got, [inOrder, inOrder]);
    await a.close();
    b.send(c.self.key, bytesOf(2));
    assert.equal([...(await taken(c))], [2]);
  });

  checkRelay(
    'a newer login of the same key takes over; the older one is told',
    async ({ dial }) => {
      const identity = newIdentity();
      const older = await dial(identity);
      const newer = await dial(identity);
      assert.is((await older.closed)?.code, 'replaced');
      const other = await dial();
      other.send(identity.hex, bytesOf(6));
      assert.equal([...(await taken(newer))], [6]);
    },
  );

  if (isDirect)
    check('who is there is told: who arrives with his prekeys, who leaves', async ({ dial }) => {
      const [a, b] = [await dial(), await dial()];
      const { key, spr } = await eventOf(a, 'arrived');
      assert.is(key, b.self.key);
      assert.equal(await a.prekeys?.peek(key), spr);
      assert.equal(await a.prekeys?.fetch(key), { spr, otk: null });
      assert.is(await a.prekeys?.fetch(newIdentity().hex), null);
      await b.close();
      assert.is((await eventOf(a, 'left')).key, key);
      const n = a.send(key, bytesOf(1));
      assert.equal(await eventOf(a, 'unknown'), { kind: 'unknown', to: key, n });
    });

  check('close: what was sent arrives, closed is null, nothing works after', async ({ dial }) => {
    const [a, b] = [await dial(), await dial()];
    const events = a.events();
    const waiting = a.deliveries().next();
    for (let i = 0; i < 100; i++) a.send(b.self.key, bytesOf(i));
    await Promise.all([a.close(), a.close()]);
    assert.is(await a.closed, null);
    assert.equal(await waiting, { value: undefined, done: true });
    const mayCome = ['up', 'caught-up', ...(isDirect ? ['arrived', 'presence', 'left'] : [])];
    for await (const { kind } of events) assert.ok(mayCome.includes(kind), kind);
    fails(() => a.send(b.self.key, bytesOf(1)), 'closed');
    await rejects(a.ping(), 'closed');
    for (let i = 0; i < 100; i++) assert.equal([...(await taken(b))], [i]);
    await a.close();
  });

  checkRelay('a relay that stops ends its links with the reason', async ({ relay, dial }) => {
    const link = await dial();
    const ended = (async () => {
      for await (const _ of link.deliveries());
      for await (const _ of link.events());
    })();
    await relay.stop();
    assert.is((await link.closed)?.code, 'relay-stopping');
    await ended;
  });

  return test;
}

async function nextOf<T>(items: AsyncIterableIterator<T>): Promise<T> {
  const { value, done } = await items.next();
  assert.not(done, 'the link was closed');
  return value;
}

async function taken(link: Link): Promise<Bytes> {
  const delivery: Delivery = await nextOf(link.deliveries());
  return delivery.envelope;
}

async function eventOf<K extends LinkEvent['kind']>(link: Link, kind: K) {
  for await (const event of link.events())
    if (event.kind === kind) return event as LinkEvent & { kind: K };
  throw new Error(`the link was closed without ${kind}`);
}

function fails(work: () => unknown, code: ErrorCode): void {
  assert.throws(work, (error: unknown) => isFleximError(error, code));
}

async function rejects(work: Promise<unknown> | undefined, code: ErrorCode): Promise<void> {
  const error = await Promise.resolve(work).then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(isFleximError(error, code), `${code} and not ${error}`);
}
