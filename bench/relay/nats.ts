// NATS core: a subject for each user. https://docs.nats.io/reference/reference-protocols/nats-protocol
//
//   PUB <subject> <#bytes>\r\n<payload>\r\n              MSG <subject> <sid> <#bytes>\r\n<payload>\r\n

import { Line } from './line.ts';
import { shortName, type Wire } from './wire.ts';

const END = Buffer.from('\r\n');

export const nats: Wire = {
  reply: '',
  async open(port, role, nth) {
    const line = await Line.open(port, shortName(role, nth));
    const ready = line.until('PONG\r\n');
    const options = { verbose: false, pedantic: false, echo: false, protocol: 1 };
    const subscribe = role === 'receiver' ? `SUB ${line.name} 1\r\n` : '';
    line.socket.write(`CONNECT ${JSON.stringify(options)}\r\n${subscribe}PING\r\n`);
    await ready;
    return line;
  },
  sent: (to, payload) =>
    Buffer.concat([Buffer.from(`PUB ${to} ${payload.length}\r\n`), payload, END]),
  delivered: (to, payload) =>
    Buffer.concat([Buffer.from(`MSG ${to} 1 ${payload.length}\r\n`), payload, END]),
};
