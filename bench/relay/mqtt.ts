// MQTT 3.1.1, QoS 0: a topic for each user. Both ways the same PUBLISH (§3.3):
//
//   30 | remaining length, 7 bits a byte | u16 length | topic | payload

import { Line } from './line.ts';
import { shortName, type Wire } from './wire.ts';

const text = (value: string): Buffer =>
  Buffer.concat([Buffer.from([value.length >> 8, value.length & 0xff]), Buffer.from(value)]);

function packet(head: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length: number[] = [];
  for (let left = body.length; length.length === 0 || left > 0; left >>= 7)
    length.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
  return Buffer.concat([Buffer.from([head, ...length]), body]);
}

const publish = (to: string, payload: Buffer): Buffer => packet(0x30, text(to), payload);

export const mqtt: Wire = {
  reply: '',
  async open(port, role, nth) {
    const line = await Line.open(port, shortName(role, nth));
    const connected = line.until('\x20\x02\x00\x00');
    const [level, cleanSession, keepAlive] = [4, 2, Buffer.from([0, 0])];
    const hello = [text('MQTT'), Buffer.from([level, cleanSession]), keepAlive, text(line.name)];
    line.socket.write(packet(0x10, ...hello));
    await connected;
    if (role === 'sender') return line;
    const subscribed = line.until('\x90\x03\x00\x01\x00');
    line.socket.write(packet(0x82, Buffer.from([0, 1]), text(line.name), Buffer.from([0])));
    await subscribed;
    return line;
  },
  sent: publish,
  delivered: publish,
};
