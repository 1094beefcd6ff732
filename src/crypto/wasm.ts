// WebAssembly, written as expressions: each of these is the code that leaves a value on the stack or, where it is
// called a statement, does something and leaves none. There is only what crypto/streamcode.ts needs.

export type Code = readonly number[];

export const TYPE = { i32: 0x7f, i64: 0x7e, v128: 0x7b } as const;
export type Type = keyof typeof TYPE;

/** LEB128, as WebAssembly has its numbers. */
function unsigned(value: number): Code {
  return value < 128 ? [value] : [(value % 128) + 128, ...unsigned(Math.floor(value / 128))];
}

function signed(value: bigint): Code {
  const low = Number(BigInt.asUintN(7, value));
  const isLast = BigInt.asIntN(7, value) === value;
  return isLast ? [low] : [low + 128, ...signed(value >> 7n)];
}

const two =
  (...operation: number[]) =>
  (a: Code, b: Code): Code => [...a, ...b, ...operation];
const UNALIGNED = 0;
const load =
  (...operation: number[]) =>
  (at: Code, offset = 0): Code => [...at, ...operation, UNALIGNED, ...unsigned(offset)];
/** A statement. */
const store =
  (...operation: number[]) =>
  (at: Code, value: Code, offset = 0): Code =>
    load(...operation)([...at, ...value], offset);
const vector = (operation: number): Code => [0xfd, ...unsigned(operation)];

export const i32 = {
  of: (value: number): Code => [0x41, ...signed(BigInt(value))],
  load: load(0x28),
  load8: load(0x2d),
  store: store(0x36),
  store8: store(0x3a),
  isZero: (a: Code): Code => [...a, 0x45],
  /** Signed. */
  isLess: two(0x48),
  add: two(0x6a),
  sub: two(0x6b),
  and: two(0x71),
  xor: two(0x73),
} as const;

export const i64 = {
  of: (value: bigint): Code => [0x42, ...signed(value)],
  load: load(0x29),
  /** 32 bits, with zeros above. */
  load32: load(0x35),
  store: store(0x37),
  store32: store(0x3e),
  add: two(0x7c),
  sub: two(0x7d),
  mul: two(0x7e),
  and: two(0x83),
  or: two(0x84),
  xor: two(0x85),
  shl: two(0x86),
  shr: two(0x88),
  /** Of 32 bits. */
  from: (a: Code): Code => [...a, 0xad],
} as const;

/** Four lanes of 32 bits. */
export const v128 = {
  of: (lanes: readonly [number, number, number, number]): Code => [
    ...vector(0x0c),
    ...lanes.flatMap((lane) => [lane & 255, (lane >>> 8) & 255, (lane >>> 16) & 255, lane >>> 24]),
  ],
  load: load(...vector(0x00)),
  /** 32 bits, the same in each lane. */
  loadEach: load(...vector(0x09)),
  store: store(...vector(0x0b)),
  each: (a: Code): Code => [...a, ...vector(0x11)],
  add: two(...vector(0xae)),
  xor: two(...vector(0x51)),
  or: two(...vector(0x50)),
  /** Of any bit: 1 or 0, as i32. */
  isAny: (a: Code): Code => [...a, ...vector(0x53)],
  shl: (a: Code, bits: number): Code => [...a, ...i32.of(bits), ...vector(0xab)],
  shr: (a: Code, bits: number): Code => [...a, ...i32.of(bits), ...vector(0xad)],
  /** Bytes of two vectors by their places: 0 to 15 in the first, 16 to 31 in the second. */
  shuffle: (a: Code, b: Code, places: readonly number[]): Code => [
    ...a,
    ...b,
    ...vector(0x0d),
    ...places,
  ],
} as const;

/** A statement. */
export const repeatWhile = (condition: Code, body: Code): Code => [
  ...[0x02, 0x40, 0x03, 0x40], // a block, and in it a loop
  ...[...condition, 0x45, 0x0d, 1], // out of the block when it does not hold
  ...[...body, 0x0c, 0], // again
  ...[0x0b, 0x0b],
];

/** A statement. */
export const when = (condition: Code, body: Code): Code => [
  ...condition,
  0x04,
  0x40,
  ...body,
  0x0b,
];

/** The first where the condition holds. Both are worked out. */
export const select = (condition: Code, a: Code, b: Code): Code => [...a, ...b, ...condition, 0x1b];

export interface Variable {
  readonly get: Code;
  /** A statement. */
  set(value: Code): Code;
}

export interface Definition {
  readonly parameters: number; // all i32
  readonly hasResult: boolean; // i32
  readonly variables: Type[];
  readonly code: number[];
}

/** A function as it is written: its parameters, all i32, and what is declared while it is. */
export class Writer {
  readonly definition: Definition;

  constructor(parameters: number, hasResult: boolean) {
    this.definition = { parameters, hasResult, variables: [], code: [] };
  }

  parameter(index: number): Variable {
    return {
      get: [0x20, ...unsigned(index)],
      set: (value) => [...value, 0x21, ...unsigned(index)],
    };
  }

  declare(type: Type): Variable {
    const { parameters, variables } = this.definition;
    return this.parameter(parameters + variables.push(type) - 1);
  }

  write(...code: readonly Code[]): void {
    for (const each of code) for (const byte of each) this.definition.code.push(byte);
  }
}

/** A call of the function in this place of the module, with what it takes. */
export const call = (place: number, ...values: readonly Code[]): Code => [
  ...values.flat(),
  0x10,
  ...unsigned(place),
];

const joined = (...parts: readonly (Code | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => Buffer.from(part)));
const sized = (bytes: Code | Buffer): Buffer => joined(unsigned(bytes.length), bytes);
const many = (items: readonly (Code | Buffer)[]): Buffer =>
  joined(unsigned(items.length), ...items);
const section = (id: number, items: readonly (Code | Buffer)[]): Buffer =>
  joined([id], sized(many(items)));
const name = (text: string): Buffer => sized(Buffer.from(text, 'latin1'));

/** Functions, and a memory of so many pages of 64 KiB; `exported` are names of their places. */
export function moduleOf(
  functions: readonly Definition[],
  { pages, exported }: { readonly pages: number; readonly exported: Record<string, number> },
): Buffer {
  const types = functions.map(({ parameters, hasResult }) =>
    joined(
      [0x60],
      many(Array.from({ length: parameters }, () => [TYPE.i32])),
      many(hasResult ? [[TYPE.i32]] : []),
    ),
  );
  const places = functions.map((_, i) => unsigned(i));
  const exports = Object.entries(exported).map(([text, place]) =>
    joined(name(text), [0], unsigned(place)),
  );
  const bodies = functions.map(({ variables, code }) =>
    sized(joined(many(variables.map((type) => [1, TYPE[type]])), code, [0x0b])),
  );
  return joined(
    [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(1, types),
    section(3, places),
    section(5, [[0x00, ...unsigned(pages)]]), // and as many more as it asks for
    section(7, [joined(name('memory'), [2, 0]), ...exports]),
    section(10, bodies),
  );
}
