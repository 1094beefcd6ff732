// The library. What is named here is public; everything else may change.

export { type Identity, identityFromSeed, newIdentity, wipeIdentity } from './client/identity.ts';
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
  Protocol,
  RelayInfo,
} from './protocols/index.ts';
export { protocols } from './protocols/index.ts';
