// The load of bench/mailbox.ts, a process of its own. Its one argument says what to do; the answer is a
// line of JSON. Everything is counted: a load that ends has had every answer.

import { command, type Keys, newKeys, Peer } from '../test/peer.ts';
import { logIn, messageOf, type Raw } from './raw.ts';

interface Fill {
  readonly task: 'fill';
  readonly port: number;
  readonly senders: number;
  readonly recipients: number;
  readonly inFlight: number;
  readonly messages: number; // of all senders
  readonly size: number;
}

interface Drain {
  readonly task: 'drain';
  readonly port: number;
  readonly messages: number;
  readonly size: number;
}

interface Logins {
  readonly task: 'logins';
  /** Of several relays, which take turns. */
  readonly ports: readonly number[];
  readonly rounds: number;
}

const STATUS = 6;
const MESSAGE = 3;
const QUEUED = 20;

/** The code of a Status frame that the relay wrote: 82 a6 "status" CODE … */
const codeOf = (bytes: Buffer, start: number) => bytes.readInt8(start + 3 + 1 + 7);

async function register(port: number, count: number): Promise<Keys[]> {
  const all = Array.from({ length: count }, newKeys);
  for (const keys of all) {
    const peer = await Peer.connect(port);
    await peer.login(keys);
    peer.write(command('BYE'));
    await peer.closed; // from here on the relay knows that he is away
  }
  return all;
}

/** Senders with so many Messages in flight each, all to recipients who are away; each is told by event 20. */
async function fill({ port, senders, recipients, inFlight, messages, size }: Fill, to?: Keys[]) {
  const away = to ?? (await register(port, recipients));
  let sent = 0;
  let queued = 0;
  let done = () => {};
  const all = new Promise<void>((resolve) => {
    done = resolve;
  });
  const raws: Raw[] = [];
  for (let i = 0; i < senders; i++) {
    const frame = messageOf((away[i % away.length] as Keys).hex, size);
    let owed = 0;
    const flush = () => {
      const count = Math.min(owed, messages - sent);
      owed = 0;
      if (count <= 0) return;
      sent += count;
      raw.socket.write(count === 1 ? frame : Buffer.concat(new Array(count).fill(frame)));
    };
    const raw = await logIn(
      port,
      newKeys(),
      {
        frame: (type, bytes, start) => {
          const code = type === STATUS ? codeOf(bytes, start) : 0;
          if (code === 22) return;
          if (code !== QUEUED) throw new Error(`status ${code} in place of ${QUEUED}`);
          if (++queued === messages) done();
          if (owed++ === 0) setImmediate(flush);
        },
      },
      { acks: false },
    );
    raws.push(raw);
  }
  const began = performance.now();
  for (const [i, { socket }] of raws.entries()) {
    const count = Math.min(inFlight, messages - sent);
    sent += count;
    const frame = messageOf((away[i % away.length] as Keys).hex, size);
    socket.write(Buffer.concat(new Array(count).fill(frame)));
  }
  await all;
  const seconds = (performance.now() - began) / 1000;
  for (const { socket } of raws) socket.destroy();
  return { perSecond: messages / seconds, seconds, cpu: process.cpuUsage() };
}

/** One recipient comes back to so many, and acknowledges as it goes. */
async function drain({ port, messages, size }: Drain) {
  const [bob] = (await register(port, 1)) as [Keys];
  await fill({ task: 'fill', port, senders: 16, recipients: 1, inFlight: 256, messages, size }, [
    bob,
  ]);
  const began = performance.now();
  let got = 0;
  let acked = 0;
  let done = () => {};
  const all = new Promise<void>((resolve) => {
    done = resolve;
  });
  let raw: Raw | null = null;
  const ack = () => {
    if (!raw) return void setImmediate(ack); // the first come with the answer to the login
    raw.socket.write(command('ACK', String(got)));
    acked = got;
    if (got === messages) done();
  };
  raw = await logIn(
    port,
    bob,
    {
      frame: (type) => {
        if (type !== MESSAGE) return;
        if (got++ === acked) setImmediate(ack);
      },
    },
    { acks: true },
  );
  await all;
  const seconds = (performance.now() - began) / 1000;
  raw.socket.destroy();
  return { perSecond: messages / seconds, seconds };
}

async function logins({ ports, rounds }: Logins) {
  const times: number[][] = ports.map(() => []);
  const keys = newKeys();
  for (let i = 0; i < rounds; i++)
    for (let nth = 0; nth < ports.length; nth++) {
      const which = (nth + i) % ports.length;
      const began = performance.now();
      const peer = await Peer.connect(ports[which] as number);
      await peer.login(keys);
      times[which]?.push(performance.now() - began);
      await peer.destroy();
    }
  return { times };
}

const task = JSON.parse(process.argv[2] ?? '') as Fill | Drain | Logins;
const answer =
  task.task === 'fill'
    ? await fill(task)
    : task.task === 'drain'
      ? await drain(task)
      : await logins(task);
process.stdout.write(`${JSON.stringify(answer)}\n`);
process.exit(0);
