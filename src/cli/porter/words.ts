// What a relay and its porter say to each other, over the channel of a child process:
//
//   relay -> porter
//     {limits}                        who may come in, from now on
//     {inside: [address, …]}          each connection that is in already (after a porter died)
//     {listen: way, host, port}       open a way in                   -> listening or refused
//     {close: way}                    nobody more by that way         -> closed
//     {left: [remote, …]}             they were let in and are gone
//   porter -> relay
//     {listening: way, at}
//     {refused: way, code, message}   an error of listenTcp
//     {came: way, from: remote}       with the socket, from which nothing was read
//     {closed: way}                   behind the last {came} of it
//     {shut: {reason: times}}         who was not let in, summed up

import type { ErrorCode } from '../../lib/errors.ts';
import type { TcpAddress } from '../../net/tcp.ts';
import type { DoorLimits, ShutReason } from '../../relay/doors.ts';

export type ToPorter =
  | { readonly limits: DoorLimits } // 0: no limit
  | { readonly inside: readonly string[] }
  | { readonly listen: number; readonly host: string; readonly port: number }
  | { readonly close: number }
  | { readonly left: readonly string[] };

export type FromPorter =
  | { readonly listening: number; readonly at: TcpAddress }
  | { readonly refused: number; readonly code: ErrorCode; readonly message: string }
  | { readonly came: number; readonly from: string }
  | { readonly closed: number }
  | { readonly shut: Readonly<Partial<Record<ShutReason, number>>> };
