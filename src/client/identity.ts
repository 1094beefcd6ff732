// Identities, as a user of the library sees them.

export { type Identity, identityFromSeed, newIdentity, wipeIdentity } from '../crypto/identity.ts';
