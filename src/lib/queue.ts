// A queue that is filled by callbacks and emptied by `for await`: one consumer, ends once.

export class AsyncQueue<T> implements AsyncIterableIterator<T> {
  #items: (T | undefined)[] = []; // queued are those from #head on: Array.shift is slow when many are
  #head = 0;
  #waiting: PromiseWithResolvers<IteratorResult<T>> | null = null;
  #end: { error: Error | null } | null = null;
  readonly #taken: ((left: number) => void) | null;

  /** `taken` hears how many items are left, each time one was taken. */
  constructor(taken?: (left: number) => void) {
    this.#taken = taken ?? null;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    if (this.#end) return;
    if (this.#waiting) {
      const { resolve } = this.#waiting;
      this.#waiting = null;
      resolve({ value: item, done: false });
    } else this.#items.push(item);
  }

  /** What is queued is still delivered; then the loop ends, or throws `error`. */
  end(error: Error | null = null): void {
    if (this.#end) return;
    this.#end = { error };
    const waiting = this.#waiting;
    this.#waiting = null;
    if (error) waiting?.reject(error);
    else waiting?.resolve({ value: undefined, done: true });
  }

  next(): Promise<IteratorResult<T>> {
    if (this.length > 0) {
      const value = this.#items[this.#head] as T;
      this.#items[this.#head++] = undefined;
      if (this.#head * 2 > this.#items.length) {
        this.#items = this.#items.slice(this.#head);
        this.#head = 0;
      }
      this.#taken?.(this.length);
      return Promise.resolve({ value, done: false });
    }
    if (this.#end) {
      const { error } = this.#end;
      return error ? Promise.reject(error) : Promise.resolve({ value: undefined, done: true });
    }
    if (this.#waiting) return Promise.reject(new Error('two consumers of one queue'));
    this.#waiting = withResolvers();
    return this.#waiting.promise;
  }

  return(): Promise<IteratorResult<T>> {
    this.end();
    this.#items = [];
    this.#head = 0;
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

export interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T | PromiseLike<T>) => void;
  readonly reject: (reason: Error) => void;
}

/** `Promise.withResolvers`, which Node 20 does not have. */
export function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve: PromiseWithResolvers<T>['resolve'] = () => {};
  let reject: PromiseWithResolvers<T>['reject'] = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** A loop over it may be left: what comes later waits for the next loop, and is not lost. */
export function leavable<T>(queue: AsyncQueue<T>): AsyncIterableIterator<T> {
  return {
    next: () => queue.next(),
    return: async () => ({ value: undefined, done: true }),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** Each of them once. When one throws, those behind it are for `later`. */
export function eachOf<T>(
  all: readonly T[],
  work: (each: T) => void,
  later: (each: T) => void,
): void {
  let done = 0;
  try {
    while (done < all.length) work(all[done++] as T);
  } finally {
    while (done < all.length) later(all[done++] as T);
  }
}
