// The limit of a Node process: copies bytes between paired sockets and looks at none of them. The first
// line of a connection says which one of which pair it is.

import { createServer, type Socket } from 'node:net';

const pairs = new Map<string, { sender?: Socket; receiver?: Socket }>();

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {});
  socket.once('data', (first) => {
    const [role, nth = ''] = first.toString().trim().split(' ');
    const pair = pairs.get(nth) ?? {};
    pairs.set(nth, pair);
    pair[role as 'sender' | 'receiver'] = socket;
    const { sender, receiver } = pair;
    if (sender && receiver) sender.on('data', (chunk) => receiver.write(chunk));
    socket.write('ok\n');
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
});
