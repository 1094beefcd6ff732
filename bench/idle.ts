// What an idle connection costs: a real relay process with thousands of logged-in clients, beside a
// bare Node server that accepts as many sockets and does nothing. Resident memory, read from outside,
// after both have collected their garbage.

import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newIdentity } from '../src/crypto/identity.ts';
import { parseAddress } from '../src/lib/address.ts';
import { protocols } from '../src/protocols/index.ts';
import type { Link } from '../src/protocols/protocol.ts';
import type { Report } from './measure.ts';
import { Child } from './process.ts';

const CONNECTIONS = 5_000;
const LIMIT_KIB = 16;
const AT_ONCE = 50;
// All of them come from one address.
const CROWD = [
  'connections-per-address',
  'arrivals-per-second',
  'connects-per-second',
  'logins-per-minute',
  'new-keys-per-hour',
].map((name) => `--${name}=0`);
const BARE = `
  const server = require('node:net').createServer((socket) => socket.on('data', () => {}));
  server.listen(0, '127.0.0.1', () => console.log('127.0.0.1:' + server.address().port));
`;
async function inBatches<T>(count: number, open: () => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  while (all.length < count)
    all.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => open()))));
  return all;
}

async function measureRelay(): Promise<number> {
  const home = await mkdtemp(join(tmpdir(), 'flexim-bench-'));
  const relay = new Child(
    [
      join(import.meta.dirname, '../bin/flexim-relay'),
      '--port',
      '0',
      '--log-level',
      'silent',
      ...CROWD,
    ],
    { XDG_DATA_HOME: home, XDG_CONFIG_HOME: home },
  );
  const known = new Map<string, string>();
  const pins = {
    get: (place: string) => known.get(place) ?? null,
    add: async (place: string, hex: string) => {
      known.set(place, hex);
      return hex;
    },
  };
  const links: Link[] = [];
  try {
    const { host, port } = parseAddress(await relay.line());
    const dial = () =>
      protocols.flexim.dial({ host, port, pins, identity: newIdentity(), reconnect: null });
    // What is loaded and compiled at the first logins is no cost of a connection.
    await Promise.all((await inBatches(200, dial)).map((link) => link.close()));
    const before = await relay.memory();
    links.push(...(await inBatches(CONNECTIONS, dial)));
    return ((await relay.memory()) - before) / CONNECTIONS;
  } finally {
    relay.stop();
    await Promise.all(links.map((link) => link.close()));
    rmSync(home, { recursive: true, force: true });
  }
}

async function measureBare(): Promise<number> {
  const server = new Child(['--eval', BARE], {});
  const sockets: Socket[] = [];
  const open = (port: number) =>
    new Promise<Socket>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(socket));
      socket.on('error', reject);
    });
  try {
    const { port } = parseAddress(await server.line());
    for (const socket of await inBatches(200, () => open(port))) socket.destroy();
    const before = await server.memory();
    sockets.push(...(await inBatches(CONNECTIONS, () => open(port))));
    return ((await server.memory()) - before) / CONNECTIONS;
  } finally {
    for (const socket of sockets) socket.removeAllListeners('error').destroy();
    server.stop();
  }
}

export async function idle(): Promise<Report[]> {
  const relay = await measureRelay();
  const bare = await measureBare();
  const title = `idle: memory of ${CONNECTIONS} logged-in connections`;
  const text = [
    `${title}, KiB each`,
    `  flexim-relay       ${relay.toFixed(1)}   (limit ${LIMIT_KIB})`,
    `  bare Node sockets  ${bare.toFixed(1)}   ${(relay / bare).toFixed(2)} × as much do we take`,
  ].join('\n');
  const bounds = [{ what: `an idle user under ${LIMIT_KIB} KiB`, kept: relay < LIMIT_KIB }];
  return [
    { title, text, data: { connections: CONNECTIONS, relayKiB: relay, bareKiB: bare }, bounds },
  ];
}
