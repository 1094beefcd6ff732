// What is sent: each payload says who sent it and which one of his block it is, and the rest follows
// from that, so that whoever sees one knows what every byte of it must be.
//
//   u16 sender | u32 number in the block | 0000 | f64 time, in set-rate runs | letters

const HEAD = 10;
const TIME = 10;
const LETTERS = 18;

export function makePayload(bytes: number, sender: number, number: number): Buffer {
  const payload = Buffer.alloc(bytes, 97 + ((sender * 7 + number) % 26));
  payload.fill(0, 0, LETTERS);
  payload.writeUInt16BE(sender, 0);
  payload.writeUInt32BE(number, 2);
  return payload;
}

/** Whether frame[at..) holds such a payload; its time may be any. */
export function isPayload(frame: Buffer, at: number, bytes: number): boolean {
  const wanted = makePayload(bytes, frame.readUInt16BE(at), frame.readUInt32BE(at + 2));
  const isHead = frame.compare(wanted, 0, HEAD, at, at + HEAD) === 0;
  return isHead && frame.compare(wanted, LETTERS, bytes, at + LETTERS, at + bytes) === 0;
}

export const writeTime = (frame: Buffer, at: number, time: number) =>
  frame.writeDoubleBE(time, at + TIME);
export const readTime = (frame: Buffer, at: number) => frame.readDoubleBE(at + TIME);
