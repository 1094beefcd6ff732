// Makes commstream.json: negotiations with fixed randomness, and the first records behind them. The same
// bytes at every run:
//   node --import tsx test/vectors/commstream.ts
import { writeFileSync } from 'node:fs';
import { exchangePair } from '../../src/crypto/sodium.ts';
import { toHex, utf8 } from '../../src/lib/bytes.ts';
import {
  type Agreement,
  type Asked,
  answer,
  ask,
  type Draw,
} from '../../src/protocols/commstream/negotiation.ts';
import {
  type Outward,
  plainOutward,
  SealedOutward,
  recordOf,
} from '../../src/protocols/commstream/records.ts';
import type { Scheme } from '../../src/protocols/commstream/schemes.ts';
import { encodeRecord, receive, TYPE } from '../../src/protocols/commstream/wire.ts';
import { drawnKeys } from '../drawn.ts';
import { stream } from '../fe1/stream.ts';

interface Case {
  readonly name: string;
  readonly client: readonly string[];
  readonly server: readonly Scheme[];
}

const CASES: readonly Case[] = [
  { name: 'ACK', client: ['x25519-xwing-1'], server: ['x25519-xwing-1', 'x25519-1'] },
  { name: 'ACK, classical', client: ['x25519-1'], server: ['x25519-xwing-1', 'x25519-1'] },
  { name: 'CHG', client: ['x25519-1', 'x25519-xwing-1'], server: ['x25519-xwing-1'] },
  {
    name: 'INV then CHG',
    client: ['of-later-days', 'x25519-1'],
    server: ['x25519-xwing-1', 'x25519-1'],
  },
  { name: 'plain', client: ['plain'], server: ['x25519-xwing-1', 'x25519-1', 'plain'] },
  { name: 'CHG to plain', client: ['of-later-days', 'plain'], server: ['x25519-1', 'plain'] },
  { name: 'INV', client: ['x25519-1'], server: ['x25519-xwing-1'] },
];

const STATIC = new Uint8Array(32).fill(0x5a);
const TEXTS = ['hello', '', 'x'.repeat(40)];
const clock = { now: () => 0, wall: () => 0 };

/** Draws from the fixed stream, and notes what was drawn. */
function noted(name: string): { draw: Draw; drawn: string[] } {
  const source = stream(`commstream ${name}`);
  const drawn: string[] = [];
  const draw = (length: number) => {
    const bytes = source(length);
    drawn.push(toHex(bytes));
    return bytes;
  };
  return { draw, drawn };
}

function negotiated({ name, client, server }: Case) {
  const [mine, theirs] = [noted(`${name} client`), noted(`${name} server`)];
  const keys = exchangePair(STATIC);
  const asking = ask({
    ...{ schemes: client as readonly Scheme[], draw: mine.draw, keys: drawnKeys(mine.draw), checkServer: () => {} },
  });
  const records: { from: string; hex: string }[] = [];
  const note = (from: string, bytes: Uint8Array) => {
    records.push({ from, hex: toHex(bytes) });
    return receive(bytes);
  };
  let came = note('client', asking.next().value as Uint8Array);
  const answering = answer(came, {
    ...{ schemes: server, draw: theirs.draw, keys: drawnKeys(theirs.draw) },
    server: keys,
  });
  for (;;) {
    let step = answering.next(came);
    while (!step.done && step.value === null) step = answering.next(came);
    if (step.done) return { mine, theirs, records, asked: null, agreed: null };
    const reply = asking.next(note('server', step.value as Uint8Array));
    if (!reply.done) {
      came = note('client', reply.value);
      const after = peek(answering, came);
      if (after === null) {
        note('server', encodeRecord(TYPE.invalid));
        return { mine, theirs, records, asked: null, agreed: null };
      }
      records.push({ from: 'server', hex: toHex(after) });
      const last = asking.next(receive(after));
      if (!last.done) throw new Error('one refusal is enough for a vector');
      return finish(last.value);
    }
    return finish(reply.value);
  }

  function finish(asked: Asked) {
    const end = answering.next(note('client', asked.last));
    if (!end.done || end.value === null) throw new Error('the server did not agree');
    return { mine, theirs, records, asked, agreed: end.value };
  }
}

/** What the server offers next, or null. */
function peek(answering: ReturnType<typeof answer>, came: ReturnType<typeof receive>) {
  let step = answering.next(came);
  while (!step.done && step.value === null) step = answering.next(came);
  return step.done ? null : (step.value as Uint8Array);
}

function said(key: Uint8Array | undefined, draw: Draw): string[] {
  const out: Outward = key ? new SealedOutward(key, { clock, draw }) : plainOutward;
  const records = TEXTS.map((text) => toHex(recordOf(out, TYPE.data, utf8(text))));
  records.push(toHex(recordOf(out, TYPE.close, new Uint8Array(0))));
  out.free();
  return records;
}

function vector(each: Case) {
  const { mine, theirs, records, asked, agreed } = negotiated(each);
  const drawn = { client: [...mine.drawn], server: [...theirs.drawn] };
  const { name, client, server } = each;
  const asIs = { name, client, server, static: toHex(STATIC), drawn, records };
  if (!asked || !agreed) return { ...asIs, agreed: null };
  const { scheme, binding, keys } = asked as Agreement;
  const hex = (bytes: Uint8Array | undefined) => (bytes ? toHex(bytes) : null);
  const what = {
    ...{ scheme, binding: toHex(binding) },
    ...{ toServer: hex(keys?.toServer), toClient: hex(keys?.toClient) },
  };
  return {
    ...asIs,
    agreed: what,
    texts: TEXTS,
    toServer: said(keys?.toServer, mine.draw),
    toClient: said(keys?.toClient, theirs.draw),
  };
}

export function commstreamVectors(): string {
  return `${JSON.stringify(CASES.map(vector), null, 1)}\n`;
}

if (process.argv[1] === import.meta.filename)
  writeFileSync(new URL('./commstream.json', import.meta.url), commstreamVectors());
