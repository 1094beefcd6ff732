// A worker: a process beside flexim-relay that makes streams of CommStream for it. It has the sockets of those who come
// that way, does the public-key work of their negotiations and all their encryption, and passes what is in them
// on (net/trunk.ts), so that a relay can use more than one core. It has the key of the relay with which that is
// done, no store and no other key; who has logged in, and as whom, only the relay knows.

import { systemClock } from '../../lib/time.ts';
import { Branches } from '../../net/branches.ts';
import type { Channel } from '../../net/channel.ts';
import { flushAll } from '../../net/connection.ts';
import { inheritedChannel } from '../../net/local.ts';
import { type Arrival, adopted } from '../../net/tcp.ts';
import { securing } from '../../protocols/commstream/index.ts';
import type { DropReason } from '../../relay/drops.ts';
import { DEFAULT_LIMITS, liveLimits } from '../../relay/limits.ts';
import { loginTurns } from '../../relay/turns.ts';
import { bytesOf } from '../porter/words.ts';
import { tally } from '../tally.ts';
import { type FromWorker, type Streams, type ToWorker, TRUNK } from './words.ts';

const clock = systemClock;
const limits = liveLimits(DEFAULT_LIMITS);
const turns = loginTurns(limits, clock);
turns.before = flushAll;
const counted = tally<DropReason>((sums) => {
  say({ counted: sums });
});

function say(word: FromWorker, said = () => {}): void {
  if (process.connected) process.send?.(word, undefined, undefined, said);
  else said();
}

let secured: ((channel: Channel) => Channel) | null = null;

function streams({ exchange, insecurePlaintext }: Streams): void {
  const { publicKey, privateKey } = exchange;
  secured = securing({
    ...{ limits, clock, turns, insecurePlaintext, count: counted.count },
    server: { publicKey: bytesOf(publicKey), privateKey: bytesOf(privateKey) },
  });
}

// With the relay everything ends; what the system has taken still goes out.
const branches = new Branches(inheritedChannel(TRUNK), () => {
  counted.flush();
  say({ counted: {} }, () => process.exit(0)); // behind all that was said
});

process.on('message', (word: ToWorker, socket?: unknown) => {
  if ('limits' in word) Object.assign(limits, liveLimits(word.limits));
  else if ('streams' in word) streams(word.streams);
  else if (!socket || !secured) branches.take(word.channel, null);
  else branches.take(word.channel, secured(adopted(socket as Arrival, word.remote)));
});
// A signal to the whole group is for the relay, which still needs its users' sockets; this one goes with it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
say({ ready: true });
