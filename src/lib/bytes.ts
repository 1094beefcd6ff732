// Bytes and their text forms. Hex is lower case; base64url is unpadded; decoding gives null for
// anything that is not exactly such a text (Node's own decoders skip what they do not understand).

export const NO_BYTES = new Uint8Array(0);

export function toHex(bytes: Uint8Array): string {
  return view(bytes).toString('hex');
}

/** Bytes of a hex text of any case, or null when it is not `length` bytes of hex. */
export function fromHex(text: string, length: number): Uint8Array | null {
  if (text.length !== length * 2 || !/^[0-9a-fA-F]*$/.test(text)) return null;
  return new Uint8Array(Buffer.from(text, 'hex'));
}

export function toBase64url(bytes: Uint8Array): string {
  return view(bytes).toString('base64url');
}

/** Bytes of an unpadded base64url text, or null; only the one canonical text is taken. */
export function fromBase64url(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) return null;
  const bytes = new Uint8Array(Buffer.from(text, 'base64url'));
  return toBase64url(bytes) === text ? bytes : null;
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** For values that are not secret; secrets are compared by crypto/sodium.ts. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return view(a).equals(b);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Big-endian. */
export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** Big-endian. */
export function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

/** The same memory as a Buffer. */
export function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
