// A channel carries bytes both ways in order: TCP here, CommStream and TLS behind the same interface.

export interface ChannelHandler {
  /** The memory belongs to the handler until it returns; it copies what it keeps. */
  data(chunk: Buffer): void;
  /** Once, after the last data; `error` when the channel did not end cleanly. */
  closed(error: Error | null): void;
}

/** Makes a channel to a place, within the time, or throws; gives up when the signal is aborted. */
export type Connect = (
  to: { readonly host: string; readonly port: number },
  how: { readonly timeoutMs: number; readonly signal: AbortSignal },
) => Promise<Channel>;

export interface Channel {
  /** The other side's host, for limits and the debug log. */
  readonly remote: string;
  /** 32 bytes that both ends of this very channel share: zero on bare TCP. */
  readonly binding: Uint8Array;
  /** The server's key, where the channel itself has proven it. */
  readonly serverKey: Uint8Array | null;
  /** Called again, it goes on with another handler; it must be paused then. */
  open(handler: ChannelHandler): void;
  /** It is to last: from here on the system asks now and then whether the other side is still there. */
  keep(): void;
  /** `written` is called when the system has taken all the bytes, behind this call, and not when it never will. */
  write(bytes: Uint8Array, written: () => void): void;
  pause(): void;
  resume(): void;
  /** Sends what was written, then the end; what still comes is read and passed on to nobody. */
  end(): void;
  /** Cuts at once; the other side is told by a reset, where the transport has one. */
  reset(): void;
}
