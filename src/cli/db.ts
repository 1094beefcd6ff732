// flexim-relay db: numbers, backup and repair of the relay's store. Results go to stdout, progress to
// stderr when it is a terminal.

import { closeSync, createReadStream, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { FleximError, systemCode } from '../lib/errors.ts';
import { type Census, census } from '../relay/census.ts';
import { ACCOUNTS } from '../relay/queue.ts';
import { compactStore } from '../store/compact.ts';
import { exportStore, linesOf } from '../store/dump.ts';
import { importStore } from '../store/import.ts';
import { type Reader, readStats, readStore, valuesOf } from '../store/read.ts';
import { recoverStore } from '../store/recover.ts';
import { checkValues, declare, type Options, type Settings, settle } from './options.ts';
import { parser } from './parser.ts';
import { configFile } from './places.ts';
import { group, salvageLines } from './salvage.ts';
import { checkNews, opening, STORE_NAME, storeDirectory } from './store.ts';

const NAME = 'flexim-relay db';

const OPTIONS = {
  data: { type: 'string', about: 'directory of the store' },
  json: { type: 'boolean', about: 'write JSON for programs', default: false, flagOnly: true },
} as const satisfies Options;

interface Job {
  readonly directory: string;
  readonly json: boolean;
  readonly file: string;
}

/** Further numbers for `db stats`, from those who know what the tables mean. */
export interface StatsProvider {
  readonly title: string;
  lines(reader: Reader): readonly string[];
}

const PROVIDERS: readonly StatsProvider[] = [
  { title: 'queue', lines: (reader) => queueLines(census(valuesOf(reader, ACCOUNTS))) },
];

const COMMANDS: readonly {
  readonly usage: string;
  readonly about: string;
  readonly run: (job: Job) => Promise<void>;
}[] = [
  { usage: 'stats', about: 'show tables, rows and sizes, also while the relay runs', run: stats },
  { usage: 'compact', about: 'give the space of what was removed back to the disk', run: compact },
  {
    usage: 'export <file>',
    about: 'write all rows as text to a new FILE, or to stdout with -, also while the relay runs',
    run: exportTo,
  },
  {
    usage: 'import <file>',
    about: 'fill an empty store from an export: FILE, or stdin with -',
    run: importFrom,
  },
  {
    usage: 'recover',
    about: 'save what can be read of a damaged store into a new one',
    run: recover,
  },
];

const STREAM = '\0'; // yargs loses a lone -, and no path can be this

/** `relay` are the options of the relay, whose settings file is read here too. */
export async function main(args: readonly string[], relay: Options): Promise<void> {
  checkValues(args, OPTIONS);
  const shielded = args.map((arg) => (arg === '-' ? STREAM : arg));
  const argv = declare(parser(NAME, shielded), OPTIONS).usage(
    "$0 <command> [options]\n\nLooks after the relay's store.",
  );
  for (const { usage, about, run } of COMMANDS)
    argv.command(
      usage,
      about,
      (sub) =>
        usage.includes('<file>')
          ? sub.positional('file', { type: 'string', describe: 'path of the export, or -' })
          : sub,
      async (flags) => {
        const settings: Settings<typeof OPTIONS> = settle(OPTIONS, {
          flags,
          env: process.env,
          file: configFile(process.env, 'relay.toml'),
          alsoKnown: relay,
        });
        const directory = storeDirectory(settings.data);
        await run({ directory, json: settings.json, file: fileOf(flags.file) });
      },
    );
  await argv.demandCommand(1, 'which command? For example: flexim-relay db stats').parseAsync();
}

function fileOf(given: unknown): string {
  if (given === '')
    throw new FleximError('usage', 'the name of the file is empty; - is for a stream');
  return `${given ?? ''}`;
}

async function stats({ directory, json }: Job): Promise<void> {
  const reader = await readStore(directory, STORE_NAME, open(directory));
  try {
    const { tables, ...file } = readStats(reader);
    const more = PROVIDERS.map((each) => ({ title: each.title, lines: each.lines(reader) }));
    const { path, format, owner } = reader;
    if (json)
      return print(
        JSON.stringify({ path, format, owner: owner?.pid ?? null, ...file, tables, more }),
      );
    print(`store   ${path}`);
    print(`format  ${format}`);
    print(`in use  ${owner ? `by process ${owner.pid}` : 'by nobody'}`);
    const { bytes, pages, freePages, pageSize } = file;
    print(
      `file    ${group(bytes)} bytes; ${group(pages)} pages of ${pageSize}, ${group(freePages)} free`,
    );
    for (const line of columns(tables)) print(line);
    for (const { title, lines } of more) print(['', title, ...lines].join('\n'));
  } finally {
    await reader.close();
  }
}

function queueLines({ mailboxes, messages, bytes, most, oldest }: Census): string[] {
  if (oldest === null) return ['nothing is queued'];
  return [
    `${group(messages)} messages of ${group(bytes)} bytes for ${group(mailboxes)} people`,
    `${group(most)} messages in the fullest mailbox`,
    `the oldest is of ${new Date(oldest * 1000).toISOString()}`,
  ];
}

function columns(tables: readonly { name: string; rows: number; bytes: number }[]): string[] {
  const cells = [
    ['table', 'rows', 'bytes'],
    ...tables.map(({ name, rows, bytes }) => [name, group(rows), group(bytes)]),
  ];
  const width = (i: number) => Math.max(...cells.map((row) => row[i]?.length ?? 0));
  const [first, second, third] = [width(0), width(1), width(2)];
  return cells.map(
    ([name = '', rows = '', bytes = '']) =>
      `${name.padEnd(first)}  ${rows.padStart(second)}  ${bytes.padStart(third)}`,
  );
}

async function compact({ directory, json }: Job): Promise<void> {
  const result = await compactStore(directory, STORE_NAME, open(directory), counter('copied'));
  if (json) return print(JSON.stringify(result));
  const { path, before, after } = result;
  print(`${path}: ${group(before)} bytes before, ${group(after)} bytes now`);
}

async function exportTo({ directory, file }: Job): Promise<void> {
  const reader = await readStore(directory, STORE_NAME, open(directory));
  try {
    const progress = counter('exported');
    if (file === STREAM) {
      await exportStore(reader, writeOut, progress);
      return;
    }
    const fd = create(file);
    try {
      const rows = await exportStore(reader, async (text) => writeAll(fd, text), progress);
      fsyncSync(fd);
      print(`${file}: ${group(rows)} rows. Keep it as safe as the store: it is not encrypted.`);
    } catch (error) {
      rmSync(file, { force: true });
      throw systemCode(error) ? fileError(file, 'written', error) : error;
    } finally {
      closeSync(fd);
    }
  } finally {
    await reader.close();
  }
}

async function importFrom({ directory, json, file }: Job): Promise<void> {
  const input = file === STREAM ? process.stdin : createReadStream('', { fd: openInput(file) });
  const lines = linesOf(readable(input, file));
  const progress = counter('read');
  const result = await importStore(directory, STORE_NAME, open(directory), lines, progress);
  if (json) return print(JSON.stringify(result));
  print(`${result.path}: ${group(result.rows)} rows imported`);
}

async function* readable(input: AsyncIterable<Uint8Array>, file: string) {
  try {
    yield* input;
  } catch (error) {
    throw systemCode(error) ? fileError(file === STREAM ? 'stdin' : file, 'read', error) : error;
  }
}

async function recover({ directory, json }: Job): Promise<void> {
  const result = await recoverStore(directory, STORE_NAME, {
    ...open(directory),
    now: new Date(),
    onRows: counter('saved'),
  });
  if (json) {
    const tables = Object.fromEntries(result.tables);
    return print(JSON.stringify({ ...result, tables }));
  }
  if (result.damage === null) return print(`${result.path} is sound; nothing was changed`);
  for (const line of salvageLines(result)) print(line);
}

function open(directory: string) {
  return opening(
    directory,
    checkNews((text) => tell(text)),
  );
}

/** Progress of a long work, for people. */
function counter(verb: string): (rows: number) => void {
  let told = performance.now();
  return (rows) => {
    if (performance.now() - told < 2_000) return;
    told = performance.now();
    tell(`${verb} ${group(rows)} rows`);
  };
}

function tell(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${text}\n`);
}

function openInput(file: string): number {
  try {
    return openSync(file, 'r');
  } catch (error) {
    throw fileError(file, 'read', error);
  }
}

function create(file: string): number {
  try {
    return openSync(file, 'wx', 0o600);
  } catch (error) {
    throw fileError(file, 'written', error);
  }
}

function fileError(file: string, what: string, error: unknown): FleximError {
  const code = systemCode(error);
  const why =
    code === 'EEXIST' ? 'it is there already' : code === 'ENOENT' ? 'it is not there' : code;
  return new FleximError('bad-input', `${file} cannot be ${what}: ${why}`, error);
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

function writeOut(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
