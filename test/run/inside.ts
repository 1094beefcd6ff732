// The process that runs test files, one after the other, as run.ts tells them. A file must leave it as it found it:
// nothing open, and, but for the last, no setting of the process and no global changed: the next would meet it.

import { pathToFileURL } from 'node:url';
import { DONE, type Task } from './host.ts';

const LINGER_MS = 5_000;

Object.assign(globalThis, { UVU_DEFER: 1 }); // uvu runs nothing by itself
const { exec } = await import('uvu');

process.on('SIGUSR2', () => {
  console.log(`still open: ${process.getActiveResourcesInfo().join(', ')}`);
  process.exit(1);
});

/** All that one file could leave to the next, by name. */
function surroundings(): ReadonlyMap<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(globalThis)))
    if (value !== undefined && !name.startsWith('UVU_')) found.set(`global ${name}`, value);
  for (const owner of [performance, Date, Math, console, process, process.stdout] as const)
    for (const name of ['now', 'random', 'log', 'error', 'exit', 'kill', 'write', 'title'])
      found.set(`${owner.constructor.name} ${name}`, Reflect.get(owner, name));
  for (const event of process.eventNames())
    if (event !== 'exit')
      // which lmdb and others listen to for good
      found.set(`listeners of ${String(event)}`, process.listenerCount(event));
  for (const [name, value] of Object.entries(process.env)) found.set(`env ${name}`, value);
  return found.set('folder', process.cwd()).set('umask', process.umask());
}

function changes(before: ReadonlyMap<string, unknown>): string[] {
  const after = surroundings();
  const added = [...after.keys()].filter((name) => !name.startsWith('global ')); // some are made at first use
  const names = new Set([...before.keys(), ...added]);
  return [...names].filter((name) => !Object.is(before.get(name), after.get(name)));
}

/** What keeps the process from ending and did not before, once it has had some time to go. */
async function leftOpen(before: readonly string[]): Promise<string[]> {
  const end = performance.now() + LINGER_MS;
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    const left = process.getActiveResourcesInfo();
    for (const name of before) {
      const at = left.indexOf(name);
      if (at >= 0) left.splice(at, 1);
    }
    if (left.length === 0 || performance.now() > end) return left;
  }
}

async function run({ path, isLast }: Task): Promise<void> {
  process.channel?.unref(); // who waits for what never comes ends, and is heard of
  const before = surroundings();
  const open = process.getActiveResourcesInfo();
  Object.assign(globalThis, { UVU_QUEUE: [[null]] });
  await import(pathToFileURL(path).href);
  await exec();
  process.exitCode = undefined; // what failed is counted in what was said
  const left = await leftOpen(open);
  const changed = isLast ? [] : changes(before);
  const trouble = [
    ...(left.length > 0 ? [`still open: ${left.join(', ')}`] : []),
    ...(changed.length > 0 ? [`changed: ${changed.join(', ')}`] : []),
  ];
  process.stdout.write(`\n${DONE}${trouble.join('; ')}\n`);
  if (trouble.length > 0) process.exit(1);
  process.channel?.ref();
}

process.on('message', (task: Task) => run(task));
