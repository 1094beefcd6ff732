// crypto_secretstream_xchacha20poly1305, push, pull and rekey, in WebAssembly with vectors: short messages
// take half as long as in libsodium, which is compiled without them. Libsodium begins each stream (its HChaCha20),
// and this code is tried against it before its first use. docs/ARCHITECTURE.md says why it is here.
//
// A message of n bytes is authenticated as
//   tag's block (64; its first byte is sent) | ciphertext (n) | n mod 16 zeros | 0 (u64) | 64 + n (u64)
// under the first 32 bytes of block 0 of the key stream; block 1 encrypts the tag's block, from block 2 on the message.

import { BLOCK_BYTES, BLOCKS, fourBlocks } from './chacha20.ts';
import { authenticate, MAC_BYTES } from './poly1305.ts';
import {
  type Code,
  call,
  type Definition,
  i32,
  i64,
  moduleOf,
  repeatWhile,
  select,
  v128,
  Writer,
  when,
} from './wasm.ts';

/** A stream as libsodium has it: key (32), counter (u32, little-endian), nonce (8). */
export const STREAM_BYTES = 44;
const COUNTER = 32;
const NONCE = 36;
const REKEY = 2; // a bit of a tag

/** Where the MAC of a message stands. */
export const MAC_AT = 0;
const FIRST = 64; // blocks 0 to 3 of the key stream
const TAG_BLOCK = FIRST + BLOCKS * BLOCK_BYTES;
const TEXT = TAG_BLOCK + BLOCK_BYTES;
/** Where the box of a message lies, tag | message | MAC, and the message in it. */
export const BOX_AT = TEXT - 1;
export const TEXT_AT = TEXT;
export const LONGEST = 1024 * 1024; // of a message
const SLACK = BLOCKS * BLOCK_BYTES + 3 * MAC_BYTES; // what is written behind one
/** Streams lie behind it. */
export const STREAMS_AT = TEXT + LONGEST + SLACK;

// ---- the functions, in this order ----

const at = { fourBlocks: 0, authenticate: 1, begin: 2, cipher: 3, mac: 4, rekey: 5, advance: 6 };
const exported = { seal: 7, open: 8, advance: at.advance };

const ZERO = v128.of([0, 0, 0, 0]);
const vectors = (count: number) => Array.from({ length: count }, (_, i) => 16 * i);
const first = (block: number) => i32.of(FIRST + block * BLOCK_BYTES);

/** (stream): the first blocks of its key stream. */
function begin(): Definition {
  const it = new Writer(1, false);
  for (const offset of vectors((BLOCKS * BLOCK_BYTES) / 16))
    it.write(v128.store(first(0), ZERO, offset));
  it.write(call(at.fourBlocks, it.parameter(0).get, i32.of(0), first(0)));
  return it.definition;
}

/** (stream, length): XORs the key stream to the text, and to some bytes behind it. */
function cipher(): Definition {
  const it = new Writer(2, false);
  const [stream, length] = [it.parameter(0), it.parameter(1)];
  const [done, counter] = [it.declare('i32'), it.declare('i32')];
  const begun = 2 * BLOCK_BYTES;
  for (const offset of vectors(begun / 16)) {
    const sum = v128.xor(v128.load(i32.of(TEXT), offset), v128.load(first(2), offset));
    it.write(v128.store(i32.of(TEXT), sum, offset));
  }
  it.write(
    done.set(i32.of(begun)),
    counter.set(i32.of(BLOCKS)),
    repeatWhile(i32.isLess(done.get, length.get), [
      ...call(at.fourBlocks, stream.get, counter.get, i32.add(done.get, i32.of(TEXT))),
      ...done.set(i32.add(done.get, i32.of(BLOCKS * BLOCK_BYTES))),
      ...counter.set(i32.add(counter.get, i32.of(BLOCKS))),
    ]),
  );
  return it.definition;
}

/** (length): the MAC of the ciphertext there; the tag's block, as it is sent, is that among the first ones. */
function mac(): Definition {
  const it = new Writer(1, false);
  const length = it.parameter(0);
  const padding = i32.and(length.get, i32.of(15));
  const end = it.declare('i32');
  for (const offset of vectors(BLOCK_BYTES / 16))
    it.write(v128.store(i32.of(TAG_BLOCK), v128.load(first(1), offset), offset));
  it.write(
    v128.store(i32.add(i32.of(TEXT), length.get), ZERO),
    end.set(i32.add(i32.add(i32.of(TEXT), length.get), padding)),
    i64.store(end.get, i64.of(0n)),
    i64.store(end.get, i64.from(i32.add(length.get, i32.of(BLOCK_BYTES))), 8),
  );
  const whole = i32.sub(i32.add(end.get, i32.of(16)), i32.of(TAG_BLOCK));
  it.write(call(at.authenticate, first(0), i32.of(TAG_BLOCK), whole, i32.of(MAC_AT)));
  return it.definition;
}

/** (stream): another key and nonce, made of these; the counter begins again. */
function rekey(): Definition {
  const it = new Writer(1, false);
  const stream = it.parameter(0);
  it.write(call(at.begin, stream.get));
  for (const offset of vectors(2))
    it.write(
      v128.store(
        stream.get,
        v128.xor(v128.load(stream.get, offset), v128.load(first(0), offset)),
        offset,
      ),
    );
  it.write(
    i64.store(stream.get, i64.xor(i64.load(stream.get, NONCE), i64.load(first(0), 32)), NONCE),
    i32.store(stream.get, i32.of(1), COUNTER),
    ...vectors(3).map((offset) => v128.store(first(0), ZERO, offset)), // the old key, from the new one
  );
  return it.definition;
}

/** (stream, tag): to the next message, once the MAC of this one is known. */
function advance(): Definition {
  const it = new Writer(2, false);
  const [stream, tag] = [it.parameter(0), it.parameter(1)];
  const counter = i32.load(stream.get, COUNTER);
  it.write(
    i64.store(stream.get, i64.xor(i64.load(stream.get, NONCE), i64.load(i32.of(MAC_AT))), NONCE),
    i32.store(stream.get, i32.add(counter, i32.of(1)), COUNTER),
    when(i32.and(tag.get, i32.of(REKEY)), call(at.rekey, stream.get)),
    when(i32.isZero(counter), call(at.rekey, stream.get)),
  );
  return it.definition;
}

/** (stream, length, tag): the box of the text there. */
function seal(): Definition {
  const it = new Writer(3, false);
  const [stream, length, tag] = [it.parameter(0), it.parameter(1), it.parameter(2)];
  it.write(
    call(at.begin, stream.get),
    i32.store8(first(1), i32.xor(i32.load8(first(1)), tag.get)),
    call(at.cipher, stream.get, length.get),
    call(at.mac, length.get),
    i32.store8(i32.of(BOX_AT), i32.load8(first(1))),
    v128.store(i32.add(i32.of(TEXT), length.get), v128.load(i32.of(MAC_AT))),
    call(at.advance, stream.get, tag.get),
  );
  return it.definition;
}

/** (stream, length): opens the box there; the tag, or -1 when it is none, and then the stream is as before. */
function open(): Definition {
  const it = new Writer(2, true);
  const [stream, length] = [it.parameter(0), it.parameter(1)];
  const [sent, tag, isRight] = [it.declare('v128'), it.declare('i32'), it.declare('i32')];
  const said = i32.load8(i32.of(BOX_AT));
  it.write(
    sent.set(v128.load(i32.add(i32.of(TEXT), length.get))),
    call(at.begin, stream.get),
    tag.set(i32.xor(i32.load8(first(1)), said)),
    i32.store8(first(1), said),
    call(at.mac, length.get),
    isRight.set(isZero(v128.xor(sent.get, v128.load(i32.of(MAC_AT))))),
    when(isRight.get, [
      ...call(at.cipher, stream.get, length.get),
      ...call(at.advance, stream.get, tag.get),
    ]),
    select(isRight.get, tag.get, i32.of(-1)),
  );
  return it.definition;
}

/** Whether no bit of it is set, in a time that does not say which. */
const isZero = (value: Code): Code => i32.isZero(v128.isAny(value));

export interface StreamCode {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  seal(stream: number, length: number, tag: number): void;
  open(stream: number, length: number): number;
  advance(stream: number, tag: number): void;
}

// Of a browser's types Node's have no part.
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

/** In a memory of so many pages of 64 KiB. */
export function streamCode(pages: number): StreamCode {
  const functions = [fourBlocks, authenticate, begin, cipher, mac, rekey, advance, seal, open];
  const bytes = moduleOf(
    functions.map((each) => each()),
    { pages, exported },
  );
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as StreamCode;
}
