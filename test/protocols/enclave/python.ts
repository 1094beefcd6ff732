// plain_node.py as a child: what it is told, and what it tells.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { until } from '../../scene.ts';

export interface PlainNode {
  readonly port: number;
  /** A line of its stdin. */
  says(line: string): void;
  /** The next packet that it got, without its timestamp, which must be there. */
  got(): Promise<unknown>;
  /** A connection of it has ended. */
  gone(): Promise<void>;
}

interface Line {
  readonly port?: number;
  readonly got?: unknown;
  readonly timed?: boolean;
  readonly gone?: boolean;
}

export async function withPython(
  alias: string,
  dialled: readonly number[],
  body: (node: PlainNode) => Promise<void>,
): Promise<void> {
  const script = join(import.meta.dirname, 'plain_node.py');
  const child = spawn('python3', [script, alias, '0', ...dialled.map(String)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  const lines: Line[] = [];
  let rest = '';
  child.stdout.on('data', (chunk) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts.map((part) => JSON.parse(part) as Line));
  });
  const take = async (isMeant: (line: Line) => boolean, what: string): Promise<Line> => {
    await until(() => lines.some(isMeant), `${what}; it said ${JSON.stringify(lines)}`);
    return lines.splice(lines.findIndex(isMeant), 1)[0] as Line;
  };
  try {
    const { port = 0 } = await take((line) => line.port !== undefined, 'the port');
    await body({
      port,
      says: (line) => child.stdin.write(`${line}\n`),
      got: async () => {
        const line = await take(({ got }) => got !== undefined, 'a packet');
        assert.ok(line.timed, 'every packet of ours has a timestamp');
        return line.got;
      },
      gone: async () => {
        await take(({ gone }) => gone === true, 'the end');
      },
    });
  } finally {
    child.kill('SIGKILL');
    await closed;
  }
}
