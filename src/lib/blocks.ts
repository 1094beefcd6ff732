// Memory for what comes in and goes out, used again: to allocate a piece for each read and each write
// costs as much as they do. Sizes are powers of two. A block that is never given back is no harm, the
// garbage collector has it; one that is given back too early has two owners. An idle connection owns none.

const LEAST = 512;
const CLASSES = 10; // 512 bytes to 256 KiB
// Bytes that wait to be used again. A busy relay gets as many back in a burst as it took; what it has to allocate
// anew is cleared by the kernel first, which costs more than the Messages in it.
const KEPT = 64 * 1024 * 1024;
const LOOK_MS = 10_000;

export const NO_BLOCK: Buffer = Buffer.alloc(0);

/** What was read last, by whomever: it is dealt with before anything else is read. */
export const reading: Buffer = Buffer.allocUnsafeSlow(128 * 1024);

/** All of a piece of memory, with a note whether it waits here. */
interface Block extends Buffer {
  isFree?: boolean;
}

/** Its memory names it, for who has but a part of it; to ask a Buffer for its memory takes long. */
type Memory = ArrayBufferLike & { block?: Block };

const free: Block[][] = Array.from({ length: CLASSES }, () => []);
const spare: number[] = new Array(CLASSES).fill(0); // so many were there all the time since the last look
let kept = 0;
let looking: NodeJS.Timeout | null = null;

/** 0 for 512 bytes. */
const classOf = (size: number): number => (size <= LEAST ? 0 : 23 - Math.clz32(size - 1));

/** A block of at least so many bytes, whatever is in them. */
export function takeBlock(atLeast: number): Buffer {
  const which = classOf(atLeast);
  const list = free[which];
  const block = list?.pop();
  const size = LEAST << which;
  if (!list || !block) return newBlock(size);
  if (list.length < (spare[which] as number)) spare[which] = list.length;
  kept -= size;
  block.isFree = false;
  return block;
}

function newBlock(size: number): Block {
  const block: Block = Buffer.allocUnsafeSlow(size);
  block.isFree = false;
  (block.buffer as Memory).block = block;
  return block;
}

/** Takes back a block of `takeBlock`, or a part of it. Nobody reads it any more. */
export function giveBlock(bytes: Buffer): void {
  const isWhole = (bytes as Block).isFree !== undefined;
  const block: Block | undefined = isWhole ? bytes : (bytes.buffer as Memory).block;
  if (!block) return;
  const size = block.length;
  const which = classOf(size);
  if (which >= CLASSES || kept + size > KEPT) return;
  // Two owners would read each other's Messages.
  if (block.isFree) throw new Error('a block was given back twice');
  block.isFree = true;
  kept += size;
  free[which]?.push(block);
  looking ??= setInterval(letSpareGo, LOOK_MS).unref();
}

/** Half of the blocks that nobody took since the last time are given up: what a busy hour needed goes within a minute. */
export function letSpareGo(): void {
  for (const [which, list] of free.entries()) {
    const gone = Math.ceil((spare[which] as number) / 2);
    list.splice(0, gone);
    kept -= gone * (LEAST << which);
    spare[which] = list.length;
  }
  if (kept > 0 || !looking) return;
  clearInterval(looking);
  looking = null;
}

/** Bytes that wait to be used again. */
export const keptBytes = (): number => kept;

/** As `from.copy(block, at, start, end)`, which takes half as long again. */
export function fill(block: Buffer, at: number, from: Buffer, start: number, end: number): void {
  if (end - start === from.length) block.set(from, at);
  else block.set(new Uint8Array(from.buffer, from.byteOffset + start, end - start), at);
}
