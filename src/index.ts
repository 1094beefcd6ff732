// The library. What is named here is public; everything else may change.

export type { Contact, Message, MessengerEvent } from './client/events.ts';
export { type Identity, identityFromSeed, newIdentity, wipeIdentity } from './client/identity.ts';
export {
  type Letter,
  Messenger,
  type MessengerOptions,
  openMessenger,
  type Status,
} from './client/messenger.ts';
export { openStore } from './client/open.ts';
export { type Address, formatAddress, parseAddress } from './lib/address.ts';
export { ERROR_CODES, type ErrorCode, FleximError, isFleximError } from './lib/errors.ts';
export type { Log } from './lib/log.ts';
export type {
  Delivery,
  DialOptions,
  Directory,
  Link,
  LinkEvent,
  Person,
  Pins,
  PrekeyDirectory,
  Protocol,
  RelayInfo,
} from './protocols/index.ts';
export {
  CommStream,
  type CommStreamOptions,
  type Outcome,
  protocols,
  type Received,
} from './protocols/index.ts';
