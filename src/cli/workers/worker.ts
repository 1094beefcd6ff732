// A worker: a process beside flexim-relay that has the sockets of some of its users, and reads and writes for
// it (net/trunk.ts). It sees what is on the wire, which is all that the relay sees, and has no key and no store.

import { Socket } from 'node:net';
import { SocketChannel } from '../../net/socket.ts';
import { type Arrival, adopted } from '../../net/tcp.ts';
import { Branches } from '../../net/trunk.ts';
import { type Handed, TRUNK } from './words.ts';

const trunk = new SocketChannel(new Socket({ fd: TRUNK, readable: true, writable: true }), false);
// With the relay everything ends; what the system has taken still goes out.
const branches = new Branches(trunk, () => process.exit(0));

process.on('message', ({ channel, remote }: Handed, socket?: unknown) => {
  branches.take(channel, socket ? adopted(socket as Arrival, remote) : null);
});
// A signal to the whole group is for the relay, which still needs its users' sockets; this one goes with it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
