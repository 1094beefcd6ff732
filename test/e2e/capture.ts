// A capture of the packets on the loopback interface by tcpdump, where it is there and may: a second witness, which
// shares no code with the tap.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Capture {
  readonly about: string;
  end(): Promise<Buffer[]>;
}

const START_MS = 10_000;

export async function capture(port: number): Promise<Capture> {
  const folder = mkdtempSync(join(tmpdir(), 'flexim-capture-'));
  const file = join(folder, 'packets');
  const args = ['-i', 'lo', '-U', '-s', '0', '-B', '65536', '-w', file, 'tcp', 'port', `${port}`];
  const child = spawn('tcpdump', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  const listening = new Promise<boolean>((resolve) => {
    child.on('error', () => resolve(false));
    child.on('exit', () => resolve(false));
    child.stderr.on('data', (text: Buffer) => {
      said += text;
      if (said.includes('listening on')) resolve(true);
    });
    setTimeout(resolve, START_MS, false).unref();
  });
  const isThere = await listening;
  let packets: Buffer[] | null = null;
  return {
    about: isThere ? 'packets captured by tcpdump, too' : 'no tcpdump here: the tap alone',
    end: async () => {
      if (packets) return packets;
      if (isThere && child.exitCode === null) {
        const ended = once(child, 'exit');
        child.kill('SIGINT');
        await ended;
      } else child.kill('SIGKILL');
      packets = isThere && existsSync(file) ? [readFileSync(file)] : [];
      rmSync(folder, { recursive: true });
      return packets;
    },
  };
}
