// How the messenger stands with its relay: for the header, and for /status.

import type { MessengerEvent } from '../../client/events.ts';
import type { Status } from '../../client/messenger.ts';
import { formatAddress, hostAndPort } from '../../lib/address.ts';
import type { RelayInfo } from '../../protocols/protocol.ts';
import type { Agent } from '../agent/agent.ts';
import { TRANSPORTS, transportOf } from '../transports.ts';
import type { Connection, Conversation } from './model.ts';

const FEW_KEYS = 10;

/** Where a relay is, and how it is reached. */
export interface Way {
  readonly host: string;
  readonly port: number;
  readonly transport?: string | null;
}

/** Before anything is known: on the way to the relay of the settings. */
export function underWay(relay: Way): Connection {
  return { state: 'connecting', transport: shown(relay), why: null };
}

export function connected(relay: RelayInfo): Connection {
  return { state: 'online', transport: shown(relay), why: null };
}

/** How it goes to this person, as headers show it. */
export function transportTo(to: Pick<Conversation, 'isStraight'> | null, connection: Connection) {
  return to?.isStraight ? `${TRANSPORTS.enclave.shown}, straight` : connection.transport;
}

function shown(relay: Way): string {
  return `${TRANSPORTS[transportOf(relay)].shown}, ${hostAndPort(relay)}`;
}

export function disconnected(
  { transport }: Connection,
  { error, retryMs }: Extract<MessengerEvent, { kind: 'down' }>,
): Connection {
  const why = retryMs === null ? `${error.message}. It is not tried again` : error.message;
  return { state: 'offline', transport, why };
}

export function statusLines(me: Agent['me'], status: Status, connection: Connection): string[] {
  const { unsettled, published, oneTimeKeys, isDirect } = status;
  const relay = isDirect ? null : status.relay;
  const waiting = unsettled === 1 ? '1 message' : `${unsettled} messages`;
  const few = oneTimeKeys < FEW_KEYS ? ', and they are few' : '';
  return [
    `you         ${me.name}`,
    `key         ${me.key}`,
    ...(relay
      ? [`address     ${formatAddress({ ...relay, relayKey: relay.key, person: me.key })}`]
      : []),
    `connection  ${connection.state}, ${connection.transport}`,
    ...(status.way === 'auto' ? [`auto        straight to ${status.straight.length} now`] : []),
    ...(connection.why === null ? [] : [`why         ${connection.why}`]),
    ...(relay ? [`relay       ${relay.name}`, `relay key   ${relay.key}`] : []),
    `waiting     ${waiting} that ${unsettled === 1 ? 'is' : 'are'} not known to be delivered`,
    isDirect
      ? 'prekeys     shown to each friend who connects'
      : published
        ? `prekeys     with the relay, ${oneTimeKeys} for first messages${few}`
        : 'prekeys     not with the relay yet: nobody can write to you first',
  ];
}
