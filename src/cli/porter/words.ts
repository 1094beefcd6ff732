// What a relay and its porter say to each other, over the channel of a child process:
//
//   relay -> porter
//     {limits, name}                  who may come in, and what the relay is called, from now on
//     {inside: [address, …]}          each connection that is in already (after a porter died)
//     {listen: way, host, port}       open a way in                   -> listening or refused
//     {receive: way, host, port, exchange}   the same, and strangers stay with the porter until they have
//                                     logged in
//     {close: way}                    nobody more by that way         -> closed
//     {left: [remote, …]}             they were let in and are gone
//     {took: true}                    the next socket may come
//     {known: n, isKnown, lastSeen}   what was asked
//     {dismiss: seconds}              the strangers hear that the relay stops   -> dismissed
//   porter -> relay
//     {listening: way, at}
//     {refused: way, code, message}   an error of listenTcp
//     {came: way, from: remote}       with the socket, from which nothing was read
//     {came, from, admission, early}  with the socket of one who has logged in
//     {handed: remote}                behind each of these, also where the socket was lost     -> took
//     {ask: n, key}                   is it known?                    -> known
//     {closed: way}                   behind the last {came} of it
//     {dismissed: true}               there are no strangers any more
//     {shut: {reason: times}}         who was not let in, summed up
//     {counted: {reason: times}}      and what became of strangers
//     {failure}                       a mistake of ours, for the log

import { fromBase64url, toBase64url } from '../../lib/bytes.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import type { TcpAddress } from '../../net/tcp.ts';
import { LOBBY_LIMITS, type LobbyLimits } from '../../protocols/flexim/stranger.ts';
import type { Admission, Known } from '../../protocols/protocol.ts';
import { DOOR_LIMITS, type DoorLimits, type ShutReason } from '../../relay/doors.ts';
import type { DropReason } from '../../relay/drops.ts';

export type PorterLimits = DoorLimits & LobbyLimits;
export const PORTER_LIMITS = [...DOOR_LIMITS, ...LOBBY_LIMITS] as const;

export type Times<Reason extends string> = Readonly<Partial<Record<Reason, number>>>;

/** A key pair as text. */
export interface WrittenKeys {
  readonly publicKey: string;
  readonly privateKey: string;
}

export type ToPorter =
  | { readonly limits: PorterLimits; readonly name: string } // 0: no limit
  | { readonly inside: readonly string[] }
  | ({ readonly listen: number } & TcpAddress)
  | ({ readonly receive: number; readonly exchange: WrittenKeys } & TcpAddress)
  | { readonly close: number }
  | { readonly left: readonly string[] }
  | { readonly took: true }
  | ({ readonly known: number } & Known)
  | { readonly dismiss: number };

export interface Came {
  readonly came: number;
  readonly from: string;
  readonly admission?: Admission;
  readonly early?: string; // base64url
}

export type FromPorter =
  | { readonly listening: number; readonly at: TcpAddress }
  | { readonly refused: number; readonly code: ErrorCode; readonly message: string }
  | Came
  | { readonly handed: string }
  | { readonly ask: number; readonly key: string }
  | { readonly closed: number }
  | { readonly dismissed: true }
  | { readonly shut: Times<ShutReason> }
  | { readonly counted: Times<DropReason> }
  | { readonly failure: string };

export function written({
  publicKey,
  privateKey,
}: Readonly<Record<keyof WrittenKeys, Uint8Array>>) {
  return { publicKey: toBase64url(publicKey), privateKey: toBase64url(privateKey) };
}

export function bytesOf(text: string): Buffer {
  return Buffer.from(fromBase64url(text) ?? []);
}
