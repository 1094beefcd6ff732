// CommStream for fuzzing, without sockets: a server that meets any bytes, a client that does, and both ends of
// a stream that is established. Randomness is the same at every run, so that an input that was reported
// fails again.

import { exchangePair } from '../../src/crypto/sodium.ts';
import { concat, utf8 } from '../../src/lib/bytes.ts';
import { type FleximError, isFleximError } from '../../src/lib/errors.ts';
import { ask, type Draw } from '../../src/protocols/commstream/negotiation.ts';
import {
  plainInward,
  recordOf,
  SealedInward,
  SealedOutward,
} from '../../src/protocols/commstream/records.ts';
import { acceptable } from '../../src/protocols/commstream/schemes.ts';
import { type Role, Session } from '../../src/protocols/commstream/session.ts';
import {
  decodeOffer,
  decodeRequest,
  encodeRecord,
  HEAD,
  INVALID,
  MAX_RECORD,
  records,
  TYPE,
} from '../../src/protocols/commstream/wire.ts';
import { FrameReader } from '../../src/wire/frames.ts';
import { FakeChannel } from '../channel.ts';
import { drawnKeys } from '../drawn.ts';
import { ACK, CHG, Client, Server } from '../protocols/commstream/second.ts';

const clock = { now: () => 0, wall: () => 0 };
const fixed =
  (byte: number): Draw =>
  (length) =>
    new Uint8Array(length).fill(byte);
const drawing = (byte: number) => ({ draw: fixed(byte), keys: drawnKeys(fixed(byte)) });
const schemes = acceptable('x25519-xwing-1', false);
const keys = exchangePair(fixed(1)(32));
const server: Role = { side: 'server', answering: { schemes, ...drawing(2), server: keys } };
const client: Role = { side: 'client', asking: { schemes, ...drawing(3), checkServer: () => {} } };

/** What a session says of what comes; throws its error, and what stands behind it if that is no FleximError. */
function meets(role: Role, bytes: Uint8Array): void {
  const channel = new FakeChannel();
  let end: FleximError | null = null;
  const told = {
    established: () => {},
    data: () => {},
    written: () => {},
    closed: (error: FleximError | null) => {
      end = error;
    },
  };
  const session = new Session(channel, told, { role, clock, maxRecord: MAX_RECORD });
  channel.feed(bytes);
  const { isOpen } = session;
  channel.handler.closed(null);
  const error = end as FleximError | null;
  if (error?.cause && !isFleximError(error.cause)) throw error.cause;
  if (!isOpen && error) throw error;
}

export const meetsServer = (bytes: Uint8Array): void => meets(server, bytes);
export const meetsClient = (bytes: Uint8Array): void => meets(client, bytes);

const request = ask({ schemes, ...drawing(3), checkServer: () => {} }).next().value as Uint8Array;

const secrets = { random: fixed(4)(32), exchange: fixed(5)(32), kem: fixed(6)(32) };

/** A whole client: what it says up to its ACK, when the server draws as ours does here. */
function said(name: string): Uint8Array {
  const speaking = new Client(name, secrets);
  const channel = new FakeChannel();
  const told = { established: () => {}, data: () => {}, written: () => {}, closed: () => {} };
  const session = new Session(channel, told, { role: server, clock, maxRecord: MAX_RECORD });
  channel.feed(speaking.request);
  session.flush();
  const offer = channel.take() as Buffer;
  return concat(speaking.request, speaking.accept(new Uint8Array(offer)).ack);
}

export const clientSeeds = [
  ...['x25519-xwing-1', 'x25519-1', 'plain'].map(said),
  concat(said('plain'), encodeRecord(TYPE.data, utf8('x')), encodeRecord(TYPE.close)),
  concat(new Client('other', secrets).request, INVALID, INVALID, INVALID),
];

const liar = (type: number, name: string) =>
  new Server({ server: fixed(7)(32), exchange: fixed(8)(32) }, request).offer(type, name, {
    random: fixed(9)(32),
    encapsulation: fixed(10)(64),
  }).bytes;

export const serverSeeds = [
  liar(ACK, 'x25519-xwing-1'),
  liar(CHG, 'x25519-1'),
  concat(liar(CHG, 'plain'), encodeRecord(TYPE.data, utf8('hello')), encodeRecord(TYPE.close)),
  concat(encodeRecord(TYPE.change, Uint8Array.of(1, 65)), liar(CHG, 'x25519-1')),
  INVALID,
];

const key = fixed(11)(32);
const sealing = new SealedOutward(key.slice(), { clock, draw: fixed(12) });
const stream = [
  ...['', 'a', 'x'.repeat(200)].map((text) => recordOf(sealing, TYPE.data, utf8(text))),
  recordOf(sealing, TYPE.close, new Uint8Array(0)),
].map((each) => new Uint8Array(each));
export const streamSeeds = [concat(...stream), ...stream, concat(...stream.slice(0, 2))];
export const plainSeeds = [
  concat(encodeRecord(TYPE.data, utf8('x')), encodeRecord(TYPE.close)),
  encodeRecord(TYPE.data),
];

/** Records behind the establishment, sealed or bare. */
function reads(bytes: Uint8Array, isSealed: boolean): void {
  const inward = isSealed ? new SealedInward(key.slice()) : plainInward;
  try {
    const reader = new FrameReader(records(MAX_RECORD), (frame, start, end) =>
      inward.read(frame, start, end),
    );
    reader.push(Buffer.from(bytes));
  } finally {
    inward.free();
  }
}

export const sealedRecords = (bytes: Uint8Array): void => reads(bytes, true);
export const plainRecords = (bytes: Uint8Array): void => reads(bytes, false);

export const requestSeeds = [request.slice(HEAD)];
export const offerSeeds = serverSeeds.slice(0, 2).map((each) => each.slice(HEAD));
export const requestAlone = (bytes: Uint8Array) => decodeRequest(Buffer.from(bytes));
export const offerAlone = (bytes: Uint8Array) => decodeOffer(Buffer.from(bytes));
