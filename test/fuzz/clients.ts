// The client for fuzzing, without sockets: it meets a relay that says what the input holds. Keys and
// boxes are the same at every run, so that an input that was reported fails again.

import sodium from 'libsodium-wrappers';
import { identityFromSeed } from '../../src/crypto/identity.ts';
import { seal } from '../../src/crypto/sodium.ts';
import { concat, toBase64url } from '../../src/lib/bytes.ts';
import { type FleximError, isFleximError } from '../../src/lib/errors.ts';
import { printable } from '../../src/lib/text.ts';
import { openField } from '../../src/protocols/flexim/fields.ts';
import { answerChallenge } from '../../src/protocols/flexim/login.ts';
import { type Answer, login, person, type Session } from '../../src/protocols/flexim/session.ts';
import { statusFrame } from '../../src/protocols/flexim/status.ts';
import { datums, encodeFrame, HELLO } from '../../src/protocols/flexim/wire.ts';
import type { Pins } from '../../src/protocols/protocol.ts';
import { encode, int64 } from '../../src/wire/msgpack.ts';
import { FakeChannel, turn } from '../channel.ts';
import { TYPE } from '../peer.ts';

await sodium.ready;

const bytesOf = (byte: number) => new Uint8Array(32).fill(byte);
const relay = identityFromSeed(bytesOf(1));
const me = identityFromSeed(bytesOf(2));
const relayKey = relay.exchange.publicKey;
const binding = bytesOf(0);
const pins: Pins = { get: () => null, add: async (_, hex) => hex };
const ASKED = 3; // commands that wait for an answer when the frames after the login come

/** Stands in an input for the nonce of the client, which nobody knows beforehand. */
const PROOF = 'P'.repeat(43);

/** A sealed box that is the same every time: crypto_box_seal, but with a key pair of a seed. */
function fixedBox(message: Uint8Array, seed: number): Uint8Array {
  const own = sodium.crypto_box_seed_keypair(bytesOf(seed));
  const to = me.exchange.publicKey;
  const nonce = sodium.crypto_generichash(24, concat(own.publicKey, to), null);
  return concat(own.publicKey, sodium.crypto_box_easy(message, nonce, to, own.privateKey));
}

const hex = Buffer.from(relayKey).toString('hex');
const challenge = encode(
  `flexim-auth-1 ${hex} ${toBase64url(binding)} ${toBase64url(bytesOf(3))}`,
).slice();
const auth = {
  date: fixedBox(int64(1_700_000_000), 4),
  challenge: fixedBox(challenge, 5),
  last_seen: fixedBox(int64(0), 6),
};
const user = { aliases: ['me', 'Foo'], key: me.exchange.publicKey, last_seen: 1_700_000_000 };
const greeting = encodeFrame('User', { aliases: ['a relay'], key: relayKey, last_seen: 0 });
const loginAfter = (acks: Uint8Array) =>
  concat(
    greeting,
    acks, // the answer to ACKS, which the client sends with AUTH
    encodeFrame('Auth', auth),
    encodeFrame('User', { ...user, proof: PROOF }),
  );
const LOGIN = loginAfter(statusFrame('fine'));
const message = (msg: string | Uint8Array) =>
  encodeFrame('Message', { to: me.hex, from: hex, flags: ['x'], date: 7, msg });

export const loggedInSeeds = [
  concat(statusFrame('queueSent'), message(bytesOf(7)), message('hi')),
  concat(encodeFrame('Roster', { users: [user, user] }), encodeFrame('User', user)),
  concat(statusFrame('fine', '42'), statusFrame('notFound', 'x nobody'), statusFrame('refused')),
  concat(statusFrame('queued', `${hex} 7`), statusFrame('unknownRecipient', 'bob 1 \x1b[2J')),
  concat(encodeFrame('Command', { cmd: 'X', payload: ['a'] }), encodeFrame('Auth', auth)),
  concat(encodeFrame('User', { ...user, aliases: [] }), encodeFrame('Roster', { users: [] })),
  statusFrame('replaced'),
  statusFrame('stopping', '30 seconds'),
];
export const loginSeeds = [
  LOGIN,
  ...loggedInSeeds.map((frames) => concat(LOGIN, frames)),
  loginAfter(statusFrame('malformed', 'unknown-command')),
  concat(greeting, statusFrame('fine'), statusFrame('loginFailed', 'members only')),
  concat(greeting, statusFrame('stopping', '9'.repeat(400))),
];

/** The input is all that a relay says to a client that dials it. */
export async function relaySays(bytes: Uint8Array): Promise<void> {
  const channel = new FakeChannel();
  let over = false;
  let problem: unknown = null;
  const handler = {
    delivered: () => {},
    noticed: ({ payload }: { payload: string }) => {
      printable(payload);
    },
    ended: (error: FleximError) => {
      if (!over) problem = error;
    },
  };
  const fail = (error: unknown) => {
    problem ??= error;
  };
  const options = { identity: me, host: 'relay.test', port: 1, pins };
  let session: Session | null = null;
  const done = login(channel, handler, options).then((logged) => {
    session = logged;
    for (let i = 0; i < ASKED; i++) logged.command('X').then(look).catch(unlessFlexim(fail));
    logged.start();
  }, fail);

  const input = Buffer.from(bytes);
  const at = input.indexOf(PROOF);
  channel.feed(input.subarray(0, at < 0 ? input.length : at));
  await turn();
  if (at >= 0) {
    channel.feed(nonceSent(channel), input.subarray(at + PROOF.length));
    await turn();
  }
  over = session !== null;
  channel.handler.closed(null);
  await done;
  await turn(); // the commands that were not answered
  // A session tells what it did not expect as the cause of a violation.
  if (isFleximError(problem, 'protocol-violation') && problem.cause) throw problem.cause;
  if (problem !== null) throw problem;
}

/** The input is what a relay says after a login. */
export function relaySaysAfterLogin(bytes: Uint8Array): Promise<void> {
  return relaySays(concat(LOGIN, bytes));
}

function look(answer: Answer): void {
  if (answer.name === 'User') person(answer.datum);
  if (answer.name === 'Roster') answer.datum.users.map(person);
}

function unlessFlexim(fail: (error: unknown) => void) {
  return (error: unknown) => {
    if (!isFleximError(error)) fail(error);
  };
}

/** What the client wants to have proved, if it has come so far. */
function nonceSent(channel: FakeChannel): Buffer {
  const writes: Buffer[] = [];
  for (let bytes = channel.take(); bytes; bytes = channel.take()) writes.push(bytes);
  const sent = Buffer.concat(writes).subarray(HELLO.length);
  for (let at = 0, end = 0; at < sent.length; at = end) {
    end = at + 3 + sent.readUInt16BE(at + 1);
    if (sent[at] !== TYPE.AuthResponse) continue;
    const { nonce } = datums.unpack('AuthResponse', sent.subarray(at + 3, end));
    return Buffer.from(`${nonce && openField(nonce, relay.exchange)}`);
  }
  return Buffer.from(PROOF);
}

const from = { identity: me, relay: relayKey, binding };

export const authSeeds = [encode(auth).slice(), encode(Object.values(auth)).slice()];

/** The input is the body of an Auth. */
export function authBody(bytes: Uint8Array): void {
  const datum = datums.unpack('Auth', bytes);
  openField(datum.date, me.exchange);
  answerChallenge(datum, from);
}

export const boxedSeeds = [challenge, int64(7), encode([1, 'x']).slice()];

/** The input is what lies in the box of the challenge. */
export function challengeInside(bytes: Uint8Array): void {
  const box = seal(bytes, me.exchange.publicKey) as Uint8Array;
  answerChallenge({ ...auth, challenge: box }, from);
}

/** The input is what lies in the box of the last login. */
export function lastSeenInside(bytes: Uint8Array): void {
  const box = seal(bytes, me.exchange.publicKey) as Uint8Array;
  answerChallenge({ ...auth, last_seen: box }, from);
}
