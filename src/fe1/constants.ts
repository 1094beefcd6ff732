// The numbers of FE1: docs/protocols/fe1.md §14.

export const MAGIC = Uint8Array.of(0x46, 0x45, 0x31); // "FE1"
export const TYPE_INIT = 1;
export const TYPE_MSG = 2;

export const HEADER_BYTES = 41;
export const SEALED_HEADER_BYTES = 57;
export const HEADER_NONCE_BYTES = 24;
export const INIT_PREFIX_BYTES = 1252;
export const BUCKETS = [512, 1024, 2048, 4096, 8192, 16384, 32768, 49152, 65024] as const;
export const MAX_ENVELOPE = 65_024;
export const MAX_CONTENT = 61_440;

export const PQ_EVERY = 10; // own ratchet steps between two X-Wing offers
export const MAX_SKIP = 1_000; // message keys passed over at once
export const MAX_UNANSWERED = 500; // envelopes in a sending chain; more plaintext waits
export const MAX_STORED = 2_000; // message keys kept in a session
export const MAX_CHAINS = 8; // old chains with kept keys
export const MAX_SESSIONS = 4; // of one peer
export const MAX_GEN = 0x8000_0000; // generations are below this

const DAY = 86_400;
export const SKIP_TTL = 30 * DAY;
export const RELAY_TTL = 30 * DAY;
export const SPR_ROTATION = 7 * DAY;
export const SPR_LIFE = 90 * DAY;
export const SPR_GRACE = DAY;
export const OTK_BATCH = 32;
export const OTK_LOW = 16;
