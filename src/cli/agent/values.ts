// Arguments, results, events and errors as plain values for the socket. What a person wrote may be nested
// as deep as msgpack allows, so a body travels as bytes of its own inside of what carries it.

import type { Message } from '../../client/events.ts';
import { SIGNS, type Sign } from '../../fe1/content.ts';
import { ERROR_CODES, type ErrorCode, FleximError, isFleximError } from '../../lib/errors.ts';
import { decode, encode, malformed } from '../../wire/msgpack.ts';
import {
  bin,
  integer,
  list,
  type Of,
  optional,
  type Shape,
  struct,
  text,
} from '../../wire/shape.ts';
import type { AgentEvent } from './agent.ts';
import type { ArgsOf, ResultOf, VerbName } from './verbs.ts';
import { nullable } from './wire.ts';

/** Messages of one page; a guest asks for more of them page by page. */
export const PAGE = 256;

// ---- arguments ----

const who = text(1_000);
const name = text(1_000);
const id: Shape<string> = (value, path) => {
  if (typeof value === 'string' && /^[0-9a-f]{32}$/i.test(value)) return value;
  throw malformed(`${path}: want 32 hex digits`);
};
const flag: Shape<boolean> = (value, path) => {
  if (typeof value === 'boolean') return value;
  throw malformed(`${path}: want true or false`);
};
const body: Shape<unknown> = (value, path) => decode(bin()(value, path));
const letter = struct({ body, flags: optional(list(text())) });
const page = struct({
  before: optional(integer(0)),
  after: optional(integer(0)),
  limit: optional(integer(0, PAGE)),
  search: optional(text(10_000)),
});
const sign: Shape<Sign> = (value, path) => {
  if (SIGNS.includes(value as Sign)) return value as Sign;
  throw malformed(`${path}: want a sign`);
};

function these<const S extends readonly Shape<unknown>[]>(...shapes: S) {
  return ((value, path) => {
    if (!Array.isArray(value) || value.length !== shapes.length)
      throw malformed(`${path}: want ${shapes.length} arguments`);
    return shapes.map((shape, i) => shape(value[i], `${path}[${i}]`));
  }) as Shape<{ -readonly [I in keyof S]: Of<S[I]> }>;
}

const ARGS: { readonly [N in VerbName]: Shape<ArgsOf<N>> } = {
  contacts: these(),
  contact: these(who),
  resolve: these(who),
  add: these(who, nullable(name)),
  place: these(who, nullable(text(300))),
  rename: these(who, name),
  remove: these(who),
  block: these(who, flag),
  verify: these(who, flag),
  trust: these(who, flag),
  safety: these(who),
  send: these(who, letter, id),
  state: these(who, id),
  history: these(who, page),
  unread: these(),
  read: these(who, nullable(id)),
  readTo: these(who, integer(0)),
  sign: these(who, sign),
  status: these(),
  find: these(who),
  search: these(text(1_000)),
  roster: these(nullable(text(1_000))),
  register: these(name),
  unregister: these(name),
  reconnect: these(),
  goBy: these(text(40)),
};

export function isVerb(verb: string): verb is VerbName {
  return Object.hasOwn(ARGS, verb);
}

export function encodeArgs<N extends VerbName>(verb: N, args: ArgsOf<N>): Uint8Array {
  if (verb !== 'send') return encode(args).slice();
  const [to, { body, flags }, id] = args as unknown as ArgsOf<'send'>;
  const packed = encode(body ?? null).slice();
  return encode([to, { body: packed, flags }, id]).slice();
}

/** Throws `malformed`. `bytes` must stay what they are: what was decoded may be views of them. */
export function decodeArgs<N extends VerbName>(verb: N, bytes: Uint8Array): ArgsOf<N> {
  return ARGS[verb](decode(bytes), verb) as ArgsOf<N>;
}

// ---- results ----

type WireMessage = Omit<Message, 'body'> & { readonly body: Uint8Array };
const MESSAGES: readonly VerbName[] = ['history', 'unread'];

const packMessage = (message: Message): WireMessage => ({
  ...message,
  body: encode(message.body ?? null).slice(),
});
const unpackMessage = (message: WireMessage): Message => ({
  ...message,
  body: decode(message.body),
});

export function encodeResult(verb: VerbName, result: unknown): Uint8Array {
  const value = MESSAGES.includes(verb) ? (result as Message[]).map(packMessage) : result;
  return encode(value ?? null).slice();
}

/** Of an owner of our version: checked no further. */
export function decodeResult<N extends VerbName>(verb: N, bytes: Uint8Array): ResultOf<N> {
  const value = decode(bytes);
  const isList = MESSAGES.includes(verb);
  return (isList ? (value as WireMessage[]).map(unpackMessage) : value) as ResultOf<N>;
}

// ---- events and errors ----

export function encodeEvent(event: AgentEvent): Uint8Array {
  if (event.kind === 'message')
    return encode({ ...event, message: packMessage(event.message) }).slice();
  if ('error' in event) return encode({ ...event, error: wireError(event.error) }).slice();
  return encode(event).slice();
}

export function decodeEvent(bytes: Uint8Array): AgentEvent {
  const event = decode(bytes) as { readonly kind: string };
  if (event.kind === 'message') {
    const { message } = event as unknown as { readonly message: WireMessage };
    return { kind: 'message', message: unpackMessage(message) };
  }
  if ('error' in event)
    return { ...event, error: ownError(event.error as WireError) } as unknown as AgentEvent;
  return event as unknown as AgentEvent;
}

export interface WireError {
  /** Null for what should not have happened. */
  readonly code: string | null;
  readonly message: string;
  /** How long to wait, where somebody said so. */
  readonly seconds: number | null;
}

const MOST_WORDS = 4_000;

export function wireError(error: unknown): WireError {
  const said = error instanceof Error ? error.message : String(error);
  const message = Buffer.from(said.slice(0, MOST_WORDS)).toString(); // no half of a pair
  if (!isFleximError(error)) return { code: null, message, seconds: null };
  const { seconds } = (error.cause ?? {}) as { readonly seconds?: unknown };
  const wait = typeof seconds === 'number' && seconds >= 0 ? Math.ceil(seconds) : null;
  return { code: error.code, message, seconds: wait };
}

export function ownError({ code, message, seconds }: WireError): Error {
  if (!ERROR_CODES.includes(code as ErrorCode)) return new Error(message);
  return new FleximError(code as ErrorCode, message, seconds === null ? undefined : { seconds });
}
