// Memory for output, used again when it is written: to allocate a block for each write costs as much as
// the write. Sizes are powers of two; an idle connection owns none.

const LEAST = 512;
const MOST = 256 * 1024;
const KEPT = 16 * 1024 * 1024; // bytes that wait to be used again

export const NO_BLOCK = Buffer.alloc(0);

const free: Buffer<ArrayBuffer>[][] = [];
let kept = 0;

/** Which list a block of this size is in: 0 for LEAST. */
const nth = (size: number): number => 23 - Math.clz32(size - 1 || 1);

/** A block of at least so many bytes, whatever is in them. */
export function takeBlock(atLeast: number): Buffer<ArrayBuffer> {
  const which = atLeast <= LEAST ? 0 : nth(atLeast);
  const block = free[which]?.pop();
  const size = LEAST << which;
  if (!block) return Buffer.allocUnsafeSlow(size);
  kept -= size;
  return block;
}

/** Nobody reads it any more. */
export function giveBlock({ buffer }: Buffer): void {
  const size = buffer.byteLength;
  if (size < LEAST || size > MOST || kept + size > KEPT || !(buffer instanceof ArrayBuffer)) return;
  const which = nth(size);
  if (size !== LEAST << which) return;
  free[which] ??= [];
  free[which].push(Buffer.from(buffer));
  kept += size;
}
