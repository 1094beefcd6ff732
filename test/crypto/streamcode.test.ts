// The code of sealed streams, piece by piece, against other people's: ChaCha20 and Poly1305 against noble, what is made
// of them against libsodium by way of test/protocols/commstream/vectors.test.ts and here at its edges.

import { poly1305 } from '@noble/ciphers/_poly1305.js';
import { chacha20 } from '@noble/ciphers/chacha.js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fourBlocks } from '../../src/crypto/chacha20.ts';
import { authenticate } from '../../src/crypto/poly1305.ts';
import {
  livingStreams,
  STREAM_OVERHEAD,
  STREAM_TAG,
  StreamOpener,
  StreamSealer,
} from '../../src/crypto/secretstream.ts';
import { randomBytes } from '../../src/crypto/sodium.ts';
import { BOX_AT, LONGEST, STREAMS_AT, streamCode, TEXT_AT } from '../../src/crypto/streamcode.ts';
import { type Definition, i32, i64, moduleOf, v128, Writer } from '../../src/crypto/wasm.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { count } from '../count.ts';
import { SecretStream } from '../protocols/commstream/second.ts';

const test = suite('stream code');

type Run = (...values: number[]) => number;

/** One function by itself, and its memory. */
function alone(definition: Definition) {
  const bytes = moduleOf([definition], { pages: 1, exported: { run: 0 } });
  const { WebAssembly } = globalThis as unknown as {
    WebAssembly: {
      Module: new (bytes: Uint8Array) => object;
      Instance: new (module: object) => { exports: { memory: { buffer: ArrayBuffer }; run: Run } };
    };
  };
  const { memory, run } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
  return { memory: new Uint8Array(memory.buffer), run };
}

test('numbers of every size come out as they went in', () => {
  const edges = [0, 1, 63, 64, 65, 127, 128, 8_191, 8_192, 1_048_575, 1_048_576, 2 ** 31 - 1];
  for (const value of edges.flatMap((each) => [each, -each, -each - 1])) {
    const it = new Writer(0, true);
    it.write(i32.of(value));
    const { run: give } = alone(it.definition);
    assert.is(give(), value);
    const wide = new Writer(0, true);
    wide.write(
      i64.store(i32.of(0), i64.of(BigInt(value) * 2n ** 32n + 5n)),
      v128.store(i32.of(64), v128.of([value, 1, 2, 3]), 200), // an offset of more than one byte
      i32.of(0),
    );
    const { memory, run } = alone(wide.definition);
    run();
    const view = new DataView(memory.buffer);
    assert.is(view.getBigInt64(0, true), BigInt(value) * 2n ** 32n + 5n);
    assert.equal([view.getInt32(264, true), view.getInt32(276, true)], [value, 3]);
  }
});

test('ChaCha20: four blocks under any key, from any counter on, XORed to what is there', () => {
  const { memory, run } = alone(fourBlocks());
  const at = 1_000;
  for (let i = 0; i < count(200, 5_000); i++) {
    const [key, nonce, text] = [randomBytes(32), randomBytes(12), randomBytes(256)];
    const counter = [0, 1, 4, 0x7fff_fffe, 0xffff_ff00][i % 5] as number;
    memory.set(key, 0);
    memory.set(nonce, 32);
    memory.set(text, at);
    run(0, counter, at);
    assert.is(
      toHex(memory.slice(at, at + 256)),
      toHex(chacha20(key, nonce, text, undefined, counter)),
    );
  }
});

/** Bytes that make carries run as far as they can. */
const EXTREMES = [
  [0x00],
  [0xff],
  [0xfb, ...Array(15).fill(0xff)],
  [0xfa, ...Array(15).fill(0xff)],
  [0x05, ...Array(15).fill(0x00)],
  [...Array(15).fill(0xff), 0x03],
  [0x01, ...Array(15).fill(0x00)],
  [...Array(15).fill(0x00), 0x80],
];
const pick = <T>(items: readonly T[]) => items[Math.floor(Math.random() * items.length)] as T;

function extreme(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 16) {
    const pattern = Math.random() < 0.2 ? [...randomBytes(16)] : pick(EXTREMES);
    for (let i = 0; i < 16 && at + i < length; i++)
      bytes[at + i] = pattern[i % pattern.length] as number;
  }
  return bytes;
}

test('Poly1305: every length, and numbers at the edges of the modulus and of the limbs', () => {
  const { memory, run } = alone(authenticate());
  for (let i = 0; i < count(3_000, 100_000); i++) {
    const [key, text] = [extreme(32), extreme(i % 150)];
    memory.set(key, 0);
    memory.set(text, 1_000);
    run(0, 1_000, text.length, 64);
    assert.is(
      toHex(memory.slice(64, 80)),
      toHex(poly1305(text, key)),
      `key ${toHex(key)}, text ${toHex(text)}`,
    );
  }
});

/** The definition, in whole numbers. */
function slowPoly(text: Uint8Array, key: Uint8Array): Uint8Array {
  const number = (bytes: Uint8Array) =>
    bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const r = number(key.subarray(0, 16)) & 0x0ffffffc_0ffffffc_0ffffffc_0fffffffn;
  let h = 0n;
  for (let at = 0; at < text.length; at += 16)
    h = ((h + number(Uint8Array.of(...text.subarray(at, at + 16), 1))) * r) % (2n ** 130n - 5n);
  const mac = h + number(key.subarray(16));
  return Uint8Array.from({ length: 16 }, (_, i) => Number((mac >> BigInt(8 * i)) & 255n));
}

test('Poly1305: sums just below, at and above the modulus, 2^130, 2^131 and the ends of limbs', () => {
  const { memory, run } = alone(authenticate());
  const block = (value: bigint) =>
    Array.from({ length: 16 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
  const check = (r: number, ...blocks: bigint[]) => {
    const key = Uint8Array.of(r, ...Array(31).fill(0));
    const text = new Uint8Array(blocks.flatMap(block));
    memory.set(key, 0);
    memory.set(text, 1_000);
    run(0, 1_000, text.length, 64);
    assert.is(toHex(memory.slice(64, 80)), toHex(slowPoly(text, key)), `${r}: ${blocks}`);
  };
  const top = 2n ** 128n;
  for (let r = 1; r <= 4; r++)
    for (let a = -10n; a < 10n; a++) {
      // For r = 1 these are the sum of what is in the blocks, and 2^128 for each.
      for (let b = -10n; b < 10n; b++) check(r, top + a, top + b, 0n);
      for (let b = 1n; b < 10n; b++) check(r, top - b, top + a, top - 1n, top - 1n);
      for (const bits of [26n, 27n, 52n, 53n, 78n, 79n, 104n, 105n])
        check(r, 2n ** bits + a, 0n, 0n, 0n);
    }
});

test('a message of every length up to some passes, and the longest', () => {
  const [header, key] = [randomBytes(24), randomBytes(32)];
  const [ours, back] = [new StreamSealer(header, key), new StreamOpener(header, key)];
  const theirs = new SecretStream(key, header);
  const lengths = Array.from({ length: 1_100 }, (_, i) => i + 1).filter(
    (i) => i > 600 || i % 7 < 3,
  );
  for (const length of [...lengths, 100_001, 1024 * 1024]) {
    const message = randomBytes(length);
    const box = new Uint8Array(length + STREAM_OVERHEAD);
    ours.seal(message[0] as number, message.subarray(1), { tag: STREAM_TAG.message, out: box });
    assert.is(Buffer.compare(box, theirs.push(message, STREAM_TAG.message)), 0, `${length} bytes`);
    assert.is(back.open(box), STREAM_TAG.message);
    assert.is(Buffer.compare(box.subarray(1, 1 + length), message), 0);
  }
  const long = { tag: 0, out: new Uint8Array(1024 * 1024 + 1 + STREAM_OVERHEAD) };
  assert.throws(() => ours.seal(1, new Uint8Array(1024 * 1024), long), RangeError);
  assert.is(back.open(long.out), -1);
  ours.free();
  back.free();
});

test('a box with any bit changed, cut short or made longer is none, and the stream goes on', () => {
  const [header, key] = [randomBytes(24), randomBytes(32)];
  const [sealer, opener] = [new StreamSealer(header, key), new StreamOpener(header, key)];
  const box = new Uint8Array(60 + STREAM_OVERHEAD);
  sealer.seal(5, randomBytes(59), { tag: STREAM_TAG.rekey, out: box });
  for (let bit = 0; bit < box.length * 8; bit++) {
    const wrong = box.slice();
    wrong[bit >> 3] = (wrong[bit >> 3] as number) ^ (1 << (bit & 7));
    assert.is(opener.open(wrong), -1, `bit ${bit}`);
  }
  for (let length = 0; length < box.length; length++)
    assert.is(opener.open(box.slice(0, length)), -1);
  assert.is(opener.open(new Uint8Array([...box, 0])), -1);
  assert.is(opener.open(box), STREAM_TAG.rekey);
  sealer.free();
  opener.free();
});

test('the longest messages leave the streams behind them alone, and what they need is room', () => {
  const code = streamCode(Math.ceil((STREAMS_AT + 128) / 65_536));
  const memory = new Uint8Array(code.memory.buffer);
  const [one, other] = [STREAMS_AT, STREAMS_AT + 64];
  const key = randomBytes(44);
  const noise = randomBytes(64);
  for (const length of [LONGEST - 16, LONGEST - 1, LONGEST]) {
    const text = randomBytes(length);
    memory.set(noise, other);
    memory.set(key, one);
    memory.set(text, TEXT_AT);
    code.seal(one, length, STREAM_TAG.message);
    const after = memory.slice(one, one + 44);
    memory.set(key, one);
    assert.is(code.open(one, length), STREAM_TAG.message);
    assert.is(Buffer.compare(memory.subarray(TEXT_AT, TEXT_AT + length), text), 0);
    assert.is(toHex(memory.slice(one, one + 44)), toHex(after), 'both ends go on alike');
    assert.is(toHex(memory.slice(other, other + 64)), toHex(noise));
  }
});

test('keys that are done with are nowhere in the memory', () => {
  const code = streamCode(32);
  const memory = new Uint8Array(code.memory.buffer);
  const key = randomBytes(44);
  memory.set(key, STREAMS_AT);
  code.advance(STREAMS_AT, STREAM_TAG.rekey);
  const fresh = memory.slice(STREAMS_AT, STREAMS_AT + 32);
  const kept = fresh.map((byte, i) => byte ^ (key[i] as number)); // old and new, XORed
  for (const secret of [key.subarray(0, 32), kept])
    assert.is(Buffer.from(memory).indexOf(Buffer.from(secret)), -1);
});

test('a counter that has come to its end brings a new key', () => {
  const code = streamCode(32);
  const memory = new Uint8Array(code.memory.buffer);
  const [key, nonce] = [randomBytes(32), randomBytes(8)];
  memory.set(key, STREAMS_AT);
  memory.set([0xff, 0xff, 0xff, 0xff], STREAMS_AT + 32);
  memory.set(nonce, STREAMS_AT + 36);
  memory[TEXT_AT] = 1;
  code.seal(STREAMS_AT, 1, STREAM_TAG.message);
  const mac = memory.slice(BOX_AT + 2, BOX_AT + 18);
  const next = nonce.map((byte, i) => byte ^ (mac[i] as number));
  const old = new Uint8Array([...key, ...next]);
  const fresh = chacha20(key, new Uint8Array([0, 0, 0, 0, ...next]), old);
  const expected = toHex(new Uint8Array([...fresh.slice(0, 32), 1, 0, 0, 0, ...fresh.slice(32)]));
  assert.is(toHex(memory.slice(STREAMS_AT, STREAMS_AT + 44)), expected);
  memory.set([...key, 0xff, 0xff, 0xff, 0xff, ...nonce], STREAMS_AT); // and the other end
  assert.is(code.open(STREAMS_AT, 1), STREAM_TAG.message);
  assert.is(toHex(memory.slice(STREAMS_AT, STREAMS_AT + 44)), expected);
});

test('thousands of streams at once: the memory grows, each keeps its own, and places are used again', () => {
  const living = livingStreams();
  const header = randomBytes(24);
  const made = Array.from({ length: 3_000 }, () => {
    const key = randomBytes(32);
    return { sealer: new StreamSealer(header, key), opener: new StreamOpener(header, key) };
  });
  assert.is(livingStreams(), living + 6_000);
  for (const [i, { sealer, opener }] of made.entries()) {
    const box = new Uint8Array(3 + STREAM_OVERHEAD);
    sealer.seal(7, Uint8Array.of(i & 255, i >> 8), { tag: STREAM_TAG.message, out: box });
    assert.is(opener.open(box), STREAM_TAG.message);
    assert.equal([...box.subarray(1, 4)], [7, i & 255, i >> 8]);
    sealer.free();
    opener.free();
    opener.free();
  }
  assert.is(livingStreams(), living);
});

test.run();
