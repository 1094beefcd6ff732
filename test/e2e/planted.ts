// Faults planted on the way, in a receiver, or in a copy of the built programs, to show that the account and the search
// find them. An edit of a file must fit exactly once, so that it cannot rot unseen.

import { copyOf, type Patch } from '../faults/copy.ts';
import type { ViolationKind } from './account.ts';
import { leaks } from './privacy.ts';
import type { Badness } from './tap.ts';
import { World } from './world.ts';

export interface Plant {
  readonly name: string;
  readonly about: string;
  /** One of these must be found, 'leak' by the search; none: it is survived, and nothing may be found. */
  readonly expects: readonly (ViolationKind | 'leak')[];
  readonly patch?: Patch;
  readonly badness?: Badness;
  readonly forgets?: boolean;
}

export const PLANTS: readonly Plant[] = [
  {
    name: 'way-doubles',
    about: 'every other Message comes twice: survived',
    badness: { doubleOneIn: 2 },
    expects: [],
  },
  {
    name: 'way-swallows',
    about: 'every third Message never reaches the relay, which is not told',
    badness: { swallowOneIn: 3 },
    expects: ['hang', 'lost'],
  },
  {
    name: 'forgetful-receiver',
    about: 'a receiver does not send every id back: those come again to the next one, survived',
    forgets: true,
    expects: [],
  },
  {
    name: 'ack-not-kept',
    about: 'the client forgets what its user acknowledged',
    patch: {
      folder: 'dist/client',
      from: 'core.state.unread.delete(pair(X, row.id))',
      to: 'void row',
    },
    expects: ['doubled'],
  },
  {
    name: 'line-not-kept',
    about: 'what came is shown and receipted, and now and then not kept',
    patch: {
      folder: 'dist/client',
      from: 'state.lines.set(pair(X, String(order)), line);',
      to: 'if (Math.random() < 0.7) state.lines.set(pair(X, String(order)), line);',
    },
    expects: ['lost'],
  },
  {
    name: 'not-sealed',
    about: 'bodies leave as they are',
    patch: {
      folder: 'dist/fe1',
      from: 'aeadSeal({ key, nonce, ad: concat(s.h1, hn, eh, ext) }, padded)',
      to: 'concat(padded, new Uint8Array(AEAD_BYTES))',
    },
    expects: ['leak'],
  },
  {
    name: 'names-its-sender',
    about: 'a Message says who wrote it',
    patch: {
      folder: 'dist/protocols/flexim',
      from: "this.#frame('Message', { to, from: '',",
      to: "this.#frame('Message', { to, from: 'alice',",
    },
    expects: ['leak'],
  },
];

const TIMES = 3;
/** For what a fault keeps from coming. */
const BRIEF = { patienceMs: 12_000, sendTimeout: '12s' };

/** Traffic with this fault; what is wrong with what was found, or null. */
export async function planted({
  patch,
  badness = {},
  forgets,
  expects,
}: Plant): Promise<string | null> {
  const copy = patch ? copyOf(['bin', 'dist'], patch) : null;
  const world = await World.open({ root: copy?.path, ...(expects.length > 0 ? BRIEF : {}) });
  try {
    await world.meet();
    world.tap.badness = badness;
    const once = new Set<string>();
    const forgetting = (id: string) =>
      forgets === true && !once.has(id) && once.add(id).size % 2 === 0;
    for (let time = 0; time < TIMES && world.account.violations.length === 0; time++) {
      for (const person of world.people) person.receive({ forgets: forgetting });
      await Promise.all(
        world.people.map(
          (person) => person.send(world.other(person), world.texts(person, 6)).ended,
        ),
      );
      await world.settle();
    }
    const found = new Set<string>(world.account.violations.map(({ kind }) => kind));
    if (leaks(world).length > 0) found.add('leak');
    const isFound = expects.some((kind) => found.has(kind));
    if (expects.length > 0 ? isFound : found.size === 0) return null;
    const first = world.account.violations[0]?.what ?? '';
    return `found ${[...found].join(', ') || 'nothing'}, want ${expects.join(' or ') || 'nothing'}. ${first}`;
  } finally {
    await world.close();
    copy?.remove();
  }
}
