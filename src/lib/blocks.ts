// Memory for what comes in and goes out, used again: to allocate a piece for each read and each write
// costs as much as they do. Sizes are powers of two. A block that is never given back is no harm, the
// garbage collector has it; one that is given back too early has two owners. An idle connection owns none.

const LEAST = 512;
const CLASSES = 10; // 512 bytes to 256 KiB
const KEPT = 32 * 1024 * 1024; // bytes that wait to be used again

export const NO_BLOCK: Buffer = Buffer.alloc(0);

/** What was read last, by whomever: it is dealt with before anything else is read. */
export const reading: Buffer = Buffer.allocUnsafeSlow(128 * 1024);

/** Memory with a note on it. */
type Noted = ArrayBufferLike & { isFree?: boolean };

const free: Buffer[][] = Array.from({ length: CLASSES }, () => []);
let kept = 0;

/** 0 for 512 bytes. */
const classOf = (size: number): number => (size <= LEAST ? 0 : 23 - Math.clz32(size - 1));

/** A block of at least so many bytes, whatever is in them. */
export function takeBlock(atLeast: number): Buffer {
  const which = classOf(atLeast);
  const block = free[which]?.pop();
  const size = LEAST << which;
  if (!block) return Buffer.allocUnsafeSlow(size);
  kept -= size;
  (block.buffer as Noted).isFree = false;
  return block;
}

/** Takes back a block of `takeBlock`, or a part of it. Nobody reads it any more. */
export function giveBlock({ buffer }: Buffer): void {
  const size = buffer.byteLength;
  const which = classOf(size);
  if (which >= CLASSES || size !== LEAST << which || kept + size > KEPT) return;
  // Two owners would read each other's Messages.
  if ((buffer as Noted).isFree) throw new Error('a block was given back twice');
  (buffer as Noted).isFree = true;
  kept += size;
  free[which]?.push(Buffer.from(buffer));
}

/** As `from.copy(block, at, start, end)`, which takes half as long again. */
export function fill(block: Buffer, at: number, from: Buffer, start: number, end: number): void {
  block.set(new Uint8Array(from.buffer, from.byteOffset + start, end - start), at);
}
