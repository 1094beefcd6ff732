// What bench/enclave.ts runs twice: a node that takes packets and says now and then that it has them, and one
// that sends, never more than a few thousand ahead.

import { writeFileSync } from 'node:fs';
import { BookFile } from '../src/protocols/enclave/file.ts';
import { Node } from '../src/protocols/enclave/node.ts';

export type Task =
  | { readonly task: 'take'; readonly book: string }
  | {
      readonly task: 'send';
      readonly book: string;
      readonly port: number;
      readonly bytes: number;
      readonly packets: number;
      readonly rounds: number;
    };

const SOME = 2_000; // packets behind which the taker says so
const AHEAD = 4 * SOME;

async function open(book: string, line: string): Promise<Node> {
  writeFileSync(book, line, { mode: 0o600 });
  return Node.open({
    ...{ host: '127.0.0.1', port: 0, alias: 'bench', key: null, strangers: 'refuse' },
    book: new BookFile(book),
  });
}

async function take(book: string): Promise<void> {
  const node = await open(book, 'peer 127.0.0.1:0 plain\n');
  console.log(node.address.port);
  let came = 0;
  for await (const event of node.inbound)
    if (event.kind === 'message' && ++came % SOME === 0)
      node.outbound.push({ kind: 'message', to: 'peer', text: `${came}`, id: came });
}

async function send({ book, port, bytes, packets, rounds }: Extract<Task, { task: 'send' }>) {
  const node = await open(book, `peer 127.0.0.1:${port} plain\n`);
  const text = 'x'.repeat(bytes);
  const rates: number[] = [];
  let [sent, had, goal, began] = [0, 0, 0, 0];
  const more = () => {
    while (sent < goal && sent < had + AHEAD)
      node.outbound.push({ kind: 'message', to: 'peer', text, id: ++sent });
  };
  const round = () => {
    began = performance.now();
    goal += packets;
    more();
  };
  for await (const event of node.inbound) {
    if (event.kind === 'friend' && event.friend.status === 1 && goal === 0) round();
    if (event.kind !== 'message') continue;
    had = Number(event.text);
    more();
    if (had < goal) continue;
    rates.push((packets / (performance.now() - began)) * 1_000);
    if (rates.length === rounds) break;
    round();
  }
  console.log(JSON.stringify(rates));
}

const task = JSON.parse(process.argv[2] ?? '{}') as Task;
await (task.task === 'take' ? take(task.book) : send(task));
