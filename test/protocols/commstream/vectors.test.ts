// test/vectors/commstream.json: that its script makes these very bytes, and that the second implementation
// comes to the same in both roles.

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  LONG_MESSAGE,
  OPENED_AT,
  STREAM_OVERHEAD,
  STREAM_TAG,
  StreamOpener,
  StreamSealer,
} from '../../../src/crypto/secretstream.ts';
import { toHex } from '../../../src/lib/bytes.ts';
import { commstreamVectors } from '../../vectors/commstream.ts';
import { ACK, CHG, CLOSE, Client, DATA, join, SEALED, SecretStream, Server } from './second.ts';

const file = readFileSync(new URL('../../vectors/commstream.json', import.meta.url), 'utf8');
const vectors = JSON.parse(file);
const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));

const test = suite('CommStream vectors');

test('the script makes the file again, byte for byte', () => {
  assert.is(commstreamVectors(), file);
});

for (const vector of vectors)
  test(`${vector.name}: the second implementation says and agrees on the same, as both sides`, () => {
    const [random, exchange, kem] = vector.drawn.client.map(hex);
    const client = new Client(vector.client[0], { random, exchange, kem });
    const said = vector.records.map((each: { hex: string }) => each.hex);
    assert.is(toHex(client.request), said[0]);
    const server = new Server(
      { server: hex(vector.static), exchange: hex(vector.drawn.server[1]) },
      hex(said[0]),
    );
    const draws: string[] = vector.drawn.server.filter((_: string, i: number) => i !== 1);
    const wanted = vector.server.includes(server.asked);
    let at = 1;
    for (const name of wanted ? [server.asked] : vector.server) {
      const random = hex(draws.shift() as string);
      const hybrid = name === 'x25519-xwing-1';
      const seed = hybrid ? { encapsulation: hex(draws.shift() as string) } : {};
      const offer = server.offer(wanted ? ACK : CHG, name, { random, ...seed });
      assert.is(toHex(offer.bytes), said[at++], `the offer of ${name}`);
      const agreed = client_accepts(name) ? client.accept(offer.bytes) : null;
      if (!agreed) {
        assert.is(toHex(client.refuse(offer.bytes)), said[at++]);
        server.refused(offer.bytes);
        continue;
      }
      assert.is(toHex(agreed.ack), said[at++]);
      assert.is(at, said.length);
      const { scheme, binding, toServer, toClient } = vector.agreed;
      assert.equal([name, toHex(agreed.binding)], [scheme, binding]);
      assert.equal([toHex(agreed.c2s), toHex(agreed.s2c)], [toServer ?? '', toClient ?? '']);
      assert.equal(agreed.confirmClient, offer.confirmClient);
      return;
    }
    assert.is(vector.agreed, null);
    assert.is(said[at], '0400000000');

    function client_accepts(name: string): boolean {
      return vector.client.includes(name);
    }
  });

for (const vector of vectors.filter((each: { agreed: unknown }) => each.agreed))
  test(`${vector.name}: the second implementation reads and writes the records`, () => {
    for (const [key, records] of [
      [vector.agreed.toServer, vector.toServer],
      [vector.agreed.toClient, vector.toClient],
    ]) {
      const texts = [...vector.texts.map((text: string) => [DATA, 0, text]), [CLOSE, 3, '']];
      let reading: SecretStream | null = null;
      let writing: SecretStream | null = null;
      for (const [i, [inner, tag, text]] of texts.entries()) {
        const bytes = hex(records[i]);
        if (key === null) {
          assert.is(bytes[0], inner);
          assert.is(Buffer.from(bytes.slice(5)).toString(), text);
          continue;
        }
        assert.is(bytes[0], SEALED);
        const header = i === 0 ? bytes.slice(5, 29) : null;
        const sealed = bytes.slice(header ? 29 : 5);
        reading ??= new SecretStream(hex(key), header as Uint8Array);
        writing ??= new SecretStream(hex(key), header as Uint8Array);
        const message = join(Uint8Array.of(inner), Uint8Array.from(Buffer.from(text)));
        const opened = reading.pull(sealed);
        assert.equal([...(opened?.message ?? [])], [...message]);
        assert.is(opened?.tag, tag);
        assert.is(toHex(writing.push(message, tag)), toHex(sealed));
      }
    }
  });

test('crypto_secretstream, ours and the second one, agree for every length and over new keys', () => {
  const key = new Uint8Array(32).fill(7);
  const header = new Uint8Array(24).fill(9);
  const ours = new StreamSealer(header, key);
  const opener = new StreamOpener(header, key);
  const theirs = new SecretStream(key, header);
  const back = new SecretStream(key, header);
  const tags = [STREAM_TAG.message, STREAM_TAG.rekey, STREAM_TAG.message, STREAM_TAG.final];
  const lengths = Array.from({ length: 150 }, (_, i) => i + 1);
  for (let i = -9; i < 40; i++) lengths.push(LONG_MESSAGE + i); // by node:crypto, where it is the same
  lengths.push(65_536, 65_537, 65_544, 65_536);
  for (const [i, length] of lengths.entries()) {
    const message = Uint8Array.from({ length }, (_, at) => at * 3 + length);
    const tag = tags[i % tags.length] as number;
    const body = message.subarray(1);
    const box = new Uint8Array(length + STREAM_OVERHEAD);
    ours.seal(message[0] as number, body, { tag, out: box });
    assert.is(toHex(box), toHex(theirs.push(message, tag)), `${length} bytes`);
    assert.is(toHex(back.pull(box)?.message ?? new Uint8Array(1)), toHex(message));
    for (const at of [0, 1, box.length - 1]) {
      const wrong = box.slice();
      wrong[at] = (wrong[at] as number) ^ 1;
      const before = toHex(wrong);
      assert.is(opener.open(wrong), -1);
      assert.is(toHex(wrong), before, 'what cannot be opened stays as it is');
    }
    assert.is(opener.open(box), tag);
    assert.is(toHex(box.subarray(OPENED_AT, OPENED_AT + length)), toHex(message));
  }
  ours.free();
  opener.free();
});

test.run();
