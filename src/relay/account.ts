// What a mailbox holds, and what each sender holds of it, kept in the same batch as the rows themselves:
// after any crash the numbers are those of the rows.
//
//   accounts  recipient 32         → base u48 | head u48 | next u48 | count u32 | bytes u48 | oldest u32
//   shares    recipient 32 | tag 8 → count u32 | bytes u48

export interface Account {
  /** The first number of the first row. */
  base: number;
  /** Everything below it was delivered; the first row may begin below. */
  head: number;
  /** The number of the next Message. */
  next: number;
  count: number;
  bytes: number;
  /** When the first row was written. */
  oldest: number;
}

export interface Share {
  count: number;
  bytes: number;
}

const ACCOUNT_BYTES = 32;
const SHARE_BYTES = 10;

export function newAccount(): Account {
  return { base: 1, head: 1, next: 1, count: 0, bytes: 0, oldest: 0 };
}

export function encodeAccount({ base, head, next, count, bytes, oldest }: Account): Buffer {
  const row = Buffer.allocUnsafe(ACCOUNT_BYTES);
  row.writeUIntBE(base, 0, 6);
  row.writeUIntBE(head, 6, 6);
  row.writeUIntBE(next, 12, 6);
  row.writeUInt32BE(count, 18);
  row.writeUIntBE(bytes, 22, 6);
  row.writeUInt32BE(oldest, 28);
  return row;
}

export function decodeAccount(row: Buffer): Account {
  return {
    base: row.readUIntBE(0, 6),
    head: row.readUIntBE(6, 6),
    next: row.readUIntBE(12, 6),
    count: row.readUInt32BE(18),
    bytes: row.readUIntBE(22, 6),
    oldest: row.readUInt32BE(28),
  };
}

export function encodeShare({ count, bytes }: Share): Buffer {
  const row = Buffer.allocUnsafe(SHARE_BYTES);
  row.writeUInt32BE(count, 0);
  row.writeUIntBE(bytes, 4, 6);
  return row;
}

export function decodeShare(row: Buffer): Share {
  return { count: row.readUInt32BE(0), bytes: row.readUIntBE(4, 6) };
}
