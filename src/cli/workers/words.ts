// What a relay and its workers say to each other besides the trunk, over the channel of a child process:
//
//   relay -> worker
//     {limits}                        from now on
//     {streams: {exchange, insecurePlaintext}}   how streams are made, before any socket
//     {channel, remote}               with each socket, in the order of the channels
//   worker -> relay
//     {ready: true}                   sockets may come
//     {counted: {reason: times}}      what became of strangers

import type { DropReason } from '../../relay/drops.ts';
import type { Limits } from '../../relay/limits.ts';
import type { Times, WrittenKeys } from '../porter/words.ts';

/** The descriptor of the trunk in a worker; the one before it is the channel of a child process. */
export const TRUNK = 4;

export const WORKER_LIMITS = [
  'loginsPerMinute',
  'loginsWaiting',
  'loginTurnMs',
] as const satisfies readonly (keyof Limits)[];
export type WorkerLimits = Pick<Limits, (typeof WORKER_LIMITS)[number]>;

export interface Streams {
  readonly exchange: WrittenKeys;
  readonly insecurePlaintext: boolean;
}

export interface Handed {
  readonly channel: number;
  readonly remote: string;
}

export type ToWorker =
  | { readonly limits: WorkerLimits } // 0: no limit
  | { readonly streams: Streams }
  | Handed;

export type FromWorker = { readonly ready: true } | { readonly counted: Times<DropReason> };
