// Redis pub/sub: a channel for each user. RESP2: https://redis.io/docs/latest/develop/reference/protocol-spec

import { Line } from './line.ts';
import { shortName, type Wire } from './wire.ts';

const bulk = (...parts: readonly (string | Buffer)[]): Buffer =>
  Buffer.concat([
    Buffer.from(`*${parts.length}\r\n`),
    ...parts.flatMap((part) => [
      Buffer.from(`$${part.length}\r\n`),
      Buffer.from(part),
      Buffer.from('\r\n'),
    ]),
  ]);

export const redis: Wire = {
  reply: ':1\r\n',
  async open(port, role, nth) {
    const line = await Line.open(port, shortName(role, nth));
    const ready = line.until(role === 'receiver' ? ':1\r\n' : '+PONG\r\n');
    line.socket.write(role === 'receiver' ? bulk('SUBSCRIBE', line.name) : bulk('PING'));
    await ready;
    return line;
  },
  sent: (to, payload) => bulk('PUBLISH', to, payload),
  delivered: (to, payload) => bulk('message', to, payload),
};
