// A store as text, for backups and for moving: a header, a line of JSON for each row, and a last line
// with counts and a checksum over all before it, without which nothing is taken for whole.
//   {"flexim-store":1,"format":1}
//   {"table":"users","key":"ab…","value":{…}}        what is text is text, what is JSON is JSON
//   {"table":"queue","key64":"…","value64":"…"}      what is not, is base64
//   {"rows":2,"tables":{"queue":1,"users":1},"sha256":"…"}

import { createHash } from 'node:crypto';
import { FleximError } from '../lib/errors.ts';
import { isIntact, sealValue, unseal } from './checksum.ts';
import { openTables } from './environment.ts';
import { damaged } from './failures.ts';
import { FORMAT, META, OWNER_KEY } from './format.ts';
import type { Reader } from './read.ts';

const VERSION = 1;
const LINES_AT_ONCE = 500;
const MAX_LINE = 64 * 1024 * 1024;

export interface DumpRow {
  readonly table: string;
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Writes the store as it is at this moment, whatever happens to it meanwhile; gives the rows. */
export async function exportStore(
  reader: Reader,
  write: (text: string) => Promise<void>,
  onProgress: (rows: number) => void = () => {},
): Promise<number> {
  const sum = createHash('sha256');
  const tables: Record<string, number> = {};
  let waiting: string[] = [];
  let rows = 0;
  const flush = async () => {
    const text = waiting.join('');
    waiting = [];
    sum.update(text);
    await write(text);
    onProgress(rows);
  };
  waiting.push(`${JSON.stringify({ 'flexim-store': VERSION, format: reader.format })}\n`);
  for (const row of allRows(reader)) {
    waiting.push(`${encodeRow(row)}\n`);
    tables[row.table] = (tables[row.table] ?? 0) + 1;
    rows++;
    if (waiting.length === LINES_AT_ONCE) await flush();
  }
  await flush();
  await write(`${JSON.stringify({ rows, tables, sha256: sum.digest('hex') })}\n`);
  return rows;
}

function* allRows({ environment, path }: Reader): Generator<DumpRow> {
  const tables = openTables(environment); // before the snapshot: opening a table ends one
  const transaction = environment.useReadTransaction();
  try {
    for (const { name, rows } of tables)
      for (const { key, value } of rows.getRange({ transaction })) {
        if (name === META && Buffer.from(key).toString() === OWNER_KEY) continue;
        if (!isIntact(key, value))
          throw damaged(path, `a value of table ${name} fails its checksum`, '');
        yield { table: name, key: Buffer.from(key), value: unseal(value) };
      }
  } finally {
    transaction.done();
  }
}

function encodeRow({ table, key, value }: DumpRow): string {
  const [text, json] = [textOf(key), jsonOf(value)];
  return JSON.stringify({
    table,
    ...(text === null ? { key64: key.toString('base64') } : { key: text }),
    ...(json === undefined ? { value64: value.toString('base64') } : { value: json }),
  });
}

/** The text that gives exactly these bytes again, if they are one that can be read. */
function textOf(bytes: Buffer): string | null {
  const text = bytes.toString();
  return /\p{C}/u.test(text) || !Buffer.from(text).equals(bytes) ? null : text;
}

/** The value whose JSON is exactly these bytes. */
function jsonOf(bytes: Buffer): unknown {
  const text = bytes.toString();
  try {
    const value: unknown = JSON.parse(text);
    // Inside a line, too, it must give the same bytes: numbers and the order of names may not.
    return JSON.stringify(value) === text && Buffer.from(text).equals(bytes) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Takes an export apart, line by line; throws `bad-input` at the first thing that is wrong. */
export class Importer {
  readonly tables: Record<string, number> = {};
  rows = 0;
  readonly #sum = createHash('sha256');
  #line = 0;
  #isComplete = false;

  /** The row that a line holds; null for the first and the last line. */
  take(line: string): DumpRow | null {
    this.#line++;
    if (this.#isComplete) throw this.#wrong('there is something behind the last line');
    const value = this.#parse(line);
    if (this.#line === 1) this.#header(value);
    else if (typeof value.sha256 === 'string') {
      this.#end(value);
      return null;
    }
    this.#sum.update(`${line}\n`);
    return this.#line === 1 ? null : this.#row(value);
  }

  /** Throws unless the last line was there and right. */
  finish(): void {
    if (!this.#isComplete) throw this.#wrong('it ends before its last line: it was cut short');
  }

  #parse(line: string): Readonly<Record<string, unknown>> {
    try {
      const value: unknown = JSON.parse(line);
      if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
    } catch {
      // said below
    }
    throw this.#wrong(this.#line === 1 ? 'it is no export of a store' : 'this is no JSON object');
  }

  #header(value: Readonly<Record<string, unknown>>): void {
    if (value['flexim-store'] === undefined) throw this.#wrong('it is no export of a store');
    if (value['flexim-store'] !== VERSION || value.format !== FORMAT)
      throw new FleximError(
        'store-version',
        'the export was written by another version of flexim, which this one cannot read: use that one',
      );
  }

  #row(value: Readonly<Record<string, unknown>>): DumpRow {
    const { table } = value;
    const key = bytesOf(value.key, value.key64, String);
    const content = bytesOf(value.value, value.value64, JSON.stringify);
    if (typeof table !== 'string' || table === '' || !key || key.length === 0 || !content)
      throw this.#wrong('this is no row of a store');
    this.tables[table] = (this.tables[table] ?? 0) + 1;
    this.rows++;
    return { table, key, value: content };
  }

  #end(value: Readonly<Record<string, unknown>>): void {
    if (value.rows !== this.rows || value.sha256 !== this.#sum.digest('hex'))
      throw this.#wrong('its checksum does not fit: it was changed, or damaged on the way');
    this.#isComplete = true;
  }

  #wrong(what: string): FleximError {
    return new FleximError(
      'bad-input',
      `the export cannot be used, line ${this.#line}: ${what}. Nothing was imported`,
    );
  }
}

export function sealRow({ key, value }: DumpRow): Buffer {
  return sealValue(key, value);
}

function bytesOf(
  plain: unknown,
  base64: unknown,
  encode: (value: unknown) => string,
): Buffer | null {
  if (plain !== undefined) return Buffer.from(encode(plain));
  return typeof base64 === 'string' ? Buffer.from(base64, 'base64') : null;
}

/** The lines of a stream of bytes, without their ends. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  let held = 0;
  for await (const chunk of chunks) {
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10)) {
      yield Buffer.concat([...rest, bytes.subarray(0, end)]).toString();
      rest = [];
      held = 0;
      bytes = bytes.subarray(end + 1);
    }
    held += bytes.length;
    if (held > MAX_LINE)
      throw new FleximError('bad-input', 'the export cannot be used: a line does not end');
    if (bytes.length > 0) rest.push(bytes);
  }
  if (held > 0) yield Buffer.concat(rest).toString();
}
