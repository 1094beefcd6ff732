// pino behind lib/log.ts: JSON on stderr, or lines for people when stderr is a terminal.

import { pino } from 'pino';
import type { Log } from '../lib/log.ts';
import { printable } from '../lib/text.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Only these fields of an error reach the log: no cause, so no argument of a failed call. */
function err(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  return { type: error.name, message: error.message, stack: error.stack };
}

export function createLog(level: LogLevel, isTerminal: boolean): Log & { level: string } {
  const options = { level, base: { pid: process.pid }, serializers: { err } };
  if (!isTerminal) return pino(options, pino.destination({ fd: 2, sync: true }));
  return pino(options, { write: (line: string) => process.stderr.write(pretty(line)) });
}

const NAMES: Readonly<Record<number, string>> = {
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
};

/** One line of pino's JSON as a line for people. */
export function pretty(line: string): string {
  const { level, time, msg, pid: _, err: error, ...fields } = JSON.parse(line);
  const clock = new Date(time).toTimeString().slice(0, 8);
  const name = level === 30 ? '' : `${NAMES[level] ?? level}: `;
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${shown(value)}`);
  const stack = error ? `\n${error.stack ?? error.message}` : '';
  return `${[clock, `${name}${msg}`, ...rest].join('  ')}${stack}\n`;
}

function shown(value: unknown): string {
  return printable(typeof value === 'string' ? value : JSON.stringify(value), 500);
}
