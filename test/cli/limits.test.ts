// The table of limits and its options: each limit has one, from every source its value reaches the relay,
// and what is wrong is said with the option's name and an example.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connectionsWithin, openFiles } from '../../src/cli/descriptors.ts';
import { changed, LIMIT_OPTIONS, LIMITS, limitsOf } from '../../src/cli/limits.ts';
import { type Option, type Sources, settle } from '../../src/cli/options.ts';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../src/cli/units.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import { silent } from '../../src/lib/log.ts';
import { systemClock } from '../../src/lib/time.ts';
import { DEFAULT_LIMITS, type Limits } from '../../src/relay/limits.ts';
import { createRelay } from '../../src/relay/relay.ts';
import { mapStore, PAPER } from '../relay/map-store.ts';

const NAMES = Object.keys(DEFAULT_LIMITS) as (keyof Limits)[];
const NOTHING: Sources = { flags: {}, env: {}, file: '/nowhere/relay.toml' };

/** The limits of a relay that is run with these settings. */
function relayLimits(sources: Partial<Sources>): Limits {
  const limits = limitsOf(settle(LIMIT_OPTIONS, { ...NOTHING, ...sources }));
  const { log, clock } = { log: silent, clock: systemClock };
  return createRelay({ ...PAPER, name: '', roster: 'none', store: mapStore(), limits, clock, log })
    .limits;
}

const variable = (option: string) => `FLEXIM_${option.toUpperCase().replaceAll('-', '_')}`;

/** A value that no default has: as it is written, and what it is. */
function sample(type: string, n: number): { written: string; value: number } {
  if (type === 'size') return { written: `${100 + n}KiB`, value: (100 + n) * 1024 };
  if (type === 'duration') return { written: `${100 + n}ms`, value: 100 + n };
  return { written: `${21 + n}`, value: 21 + n }; // one of them is a percentage
}

const table = suite('cli: limits');

table('each limit has an option of its own, with a help line and a bound', () => {
  assert.equal(Object.keys(LIMITS).sort(), [...NAMES].sort());
  const options = NAMES.map((name) => LIMITS[name].option);
  assert.is(new Set(options).size, NAMES.length);
  assert.equal(Object.keys(LIMIT_OPTIONS).sort(), [...options].sort());
  assert.is(LIMITS.memoryBytes.option, 'memory');
  for (const [name, { about, max, default: value, group }] of Object.entries(LIMIT_OPTIONS)) {
    assert.ok(about.length > 10 && about.length < 60, name);
    assert.ok((value as number) < (max as number), name);
    assert.match(group ?? '', /^Limits/);
  }
});

table('without settings the relay has the defaults', () => {
  assert.equal({ ...relayLimits({}) }, { ...DEFAULT_LIMITS });
});

NAMES.forEach((name, n) => {
  const { option, type } = LIMITS[name];
  table(`--${option} reaches the relay: as flag, variable and in the file`, () => {
    const { written, value } = sample(type, n);
    const only = { ...DEFAULT_LIMITS, [name]: value };
    const given = type === 'number' ? value : written;
    assert.equal({ ...relayLimits({ flags: { [option]: given } }) }, only);
    assert.equal({ ...relayLimits({ env: { [variable(option)]: written } }) }, only);
    const directory = mkdtempSync(join(tmpdir(), 'flexim-test-'));
    const file = join(directory, 'relay.toml');
    try {
      writeFileSync(file, `${option} = ${JSON.stringify(given)}\n`);
      assert.equal({ ...relayLimits({ file }) }, only);
    } finally {
      rmSync(directory, { recursive: true });
    }
    assert.is(relayLimits({ env: { [variable(option)]: '0' } })[name], Infinity, '0 is no limit');
  });
});

table('what is wrong is refused by the name of the option, with an example', () => {
  const wrong: Readonly<Record<string, readonly string[]>> = {
    size: ['', 'much', '-1', '1.5M', '64MB', '64 M', 'M', '0x10', '9e9', '2000G', '1T'],
    duration: ['', 'long', '10', '-1s', '1.5s', '10 s', 's', '1e3ms', '400d', '10S'],
    number: ['', 'many', '-1', '1.5', '1e3', '99999999999'],
  };
  const words = { size: /such as 64M/, duration: /such as 500ms/, number: /a whole number/ };
  for (const name of NAMES) {
    const { option, type } = LIMITS[name];
    for (const text of wrong[type] ?? []) {
      const env = { [variable(option)]: text };
      if (text === '') continue; // an empty variable is not set
      try {
        settle(LIMIT_OPTIONS, { ...NOTHING, env });
      } catch (error) {
        assert.ok(isFleximError(error, 'config-invalid'));
        assert.ok(error.message.includes(variable(option)), error.message);
        assert.match(error.message, words[type]);
        continue;
      }
      assert.unreachable(`${option} = ${text}`);
    }
  }
});

table('in the file a size may be a number; a time needs its unit', () => {
  const checked = (type: Option['type'], value: unknown) =>
    settle({ x: { type, about: '' } }, { ...NOTHING, flags: { x: value } }).x;
  assert.is(checked('size', 5_000), 5_000);
  assert.is(checked('duration', 0), 0);
  for (const [type, value] of [
    ['duration', 10],
    ['size', 1.5],
    ['size', true],
    ['size', ['1M']],
    ['duration', new Date()],
  ] as const)
    assert.throws(() => checked(type, value), /--x: /);
});

table('which limits SIGHUP changes', () => {
  const after = {
    ...DEFAULT_LIMITS,
    connections: 5,
    messagesPerSecond: 6,
    helloMs: 7,
    replyBytes: 8,
  };
  assert.equal(changed(DEFAULT_LIMITS, after), {
    live: { connections: 5, messagesPerSecond: 6 },
    later: ['hello-timeout', 'reply-bytes'],
  });
});

table.run();

const units = suite('cli: units');

units('sizes', () => {
  const sizes = {
    0: 0,
    17: 17,
    '17B': 17,
    '1K': 1024,
    '1KiB': 1024,
    '64M': 2 ** 26,
    '2g': 2 ** 31,
  };
  for (const [text, bytes] of Object.entries(sizes)) assert.is(parseSize(text), bytes, text);
  assert.equal([0, 17, 1024, 1025, 2 ** 26, 2 ** 31].map(formatSize), [
    '0',
    '17',
    '1K',
    '1025',
    '64M',
    '2G',
  ]);
});

units('times', () => {
  const times = {
    0: 0,
    '250us': 0.25,
    '500ms': 500,
    '10s': 10_000,
    '2m': 120_000,
    '30d': 2_592_000_000,
  };
  for (const [text, ms] of Object.entries(times)) assert.is(parseDuration(text), ms, text);
  assert.equal([0, 0.25, 500, 10_000, 90_000, 86_400_000].map(formatDuration), [
    '0',
    '250us',
    '500ms',
    '10s',
    '90s',
    '1d',
  ]);
});

units.run();

const files = suite('cli: descriptors');

files('connections stay below the open files, with room for the rest', () => {
  assert.equal([20_000, 1_024, 128, 64, 10, 1].map(connectionsWithin), [19_936, 960, 64, 32, 5, 1]);
  const here = openFiles();
  assert.ok(here === null || here > 0);
});

files.run();
