// flexim-relay db as people use it: beside a running relay, and after the worst has happened.

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newIdentity } from '../../src/crypto/identity.ts';
import { dialRelay } from '../relay.ts';
import {
  ended,
  failed,
  type Home,
  RelayProcess,
  type Result,
  withHome,
  withRelayProcess,
} from './program.ts';

const WHO = 'flexim-relay';
const PAGE = 4096;

const db = (home: Home, args: readonly string[], input?: string): Promise<Result> =>
  ended(home.start(WHO, ['db', ...args], input === undefined ? {} : { input }));

async function ok(home: Home, args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await db(home, args, input);
  assert.is(code, 0, stderr);
  assert.is(stderr, '', 'progress is for terminals');
  return stdout;
}

const store = (home: Home) => home.file('data', 'flexim', 'relay', 'relay.lmdb');

/** Runs a relay, lets people register and leave messages, and ends it in some way. */
async function leave(home: Home, how: NodeJS.Signals, people = 20): Promise<string[]> {
  const relay = await new RelayProcess(home).ready();
  const aliases: string[] = [];
  const away = newIdentity();
  await dialRelay(relay.port, { identity: away }).then((link) => link.close());
  for (let i = 0; i < people; i++) {
    const alias = `somebody-${i}`;
    const link = await dialRelay(relay.port, { identity: newIdentity(), alias });
    for (let n = 0; n < 20; n++) link.send(away.hex, Buffer.alloc(1000, n));
    await link.directory?.find(alias);
    await link.close();
    aliases.push(alias);
  }
  await relay.stop(how);
  return aliases;
}

async function known(home: Home, args: readonly string[], aliases: readonly string[]) {
  const relay = await new RelayProcess(home, args).ready();
  try {
    const link = await dialRelay(relay.port, { identity: newIdentity() });
    const found = await Promise.all(aliases.map((alias) => link.directory?.find(alias)));
    await link.close();
    return { count: found.filter(Boolean).length, relay };
  } finally {
    await relay.stop();
  }
}

const test = suite('cli: flexim-relay db');

test(
  'stats: beside a running relay, and as JSON',
  withHome(async (home) => {
    const relay = await new RelayProcess(home).ready();
    const text = await ok(home, ['stats']);
    assert.ok(text.includes(store(home)), text);
    assert.ok(text.includes(`by process ${relay.child.pid}`), text);
    assert.match(text, /^table +rows +bytes$/m);
    const stats = JSON.parse(await ok(home, ['stats', '--json']));
    assert.is(stats.owner, relay.child.pid);
    assert.is(stats.format, 1);
    assert.is(stats.bytes, statSync(store(home)).size);
    assert.ok(stats.tables.some(({ name }: { name: string }) => name === 'users'));
    assert.ok(stats.freePages < stats.pages);
    const busy = failed(await db(home, ['compact']), [75, 'store-busy'], WHO);
    assert.ok(busy.includes(`process ${relay.child.pid};`), busy);
    failed(await db(home, ['recover']), [75, 'store-busy'], WHO);
    assert.is((await relay.stop()).code, 0);
    assert.match(await ok(home, ['stats']), /in use {2}by nobody/);
  }),
);

test(
  'a relay that was killed is checked at its next start, and says so; one that was stopped is not',
  withHome(async (home) => {
    const aliases = await leave(home, 'SIGKILL', 3);
    assert.ok(existsSync(`${store(home)}.open`));
    const first = await known(home, [], aliases);
    assert.is(first.count, aliases.length);
    const messages = first.relay.log.map(({ msg }) => msg);
    const began = messages.indexOf('checking the store: it was not closed cleanly');
    assert.ok(began >= 0 && messages.indexOf('the store is sound') > began, messages.join());
    const second = await known(home, [], aliases);
    assert.not(second.relay.log.some(({ msg }) => msg.includes('the store')));
  }),
);

test(
  'export beside a running relay, import elsewhere: a relay there knows everybody',
  withHome(async (home) => {
    const aliases = await leave(home, 'SIGTERM', 3);
    const file = home.file('backup');
    let text = '';
    await withRelayProcess(home, [], async () => {
      assert.match(await ok(home, ['export', file]), /rows\. Keep it as safe as the store/);
      assert.is(statSync(file).mode & 0o777, 0o600);
      assert.match(
        failed(await db(home, ['export', file]), [65, 'bad-input'], WHO),
        /it is there already/,
      );
      text = await ok(home, ['export', '-']);
      assert.is(text, readFileSync(file, 'utf8'));
    });
    const [one, two] = [home.file('one'), home.file('two')];
    assert.match(await ok(home, ['import', file, '--data', one]), /rows imported/);
    const said = JSON.parse(await ok(home, ['import', '-', '--data', two, '--json'], text));
    assert.is(said.path, join(two, 'relay.lmdb'));
    for (const data of [one, two]) {
      const { count } = await known(home, ['--data', data], aliases);
      assert.is(count, aliases.length);
    }
    assert.match(
      failed(await db(home, ['import', file, '--data', one]), [65, 'bad-input'], WHO),
      /is not empty/,
    );
    writeFileSync(file, text.slice(0, -100));
    failed(await db(home, ['import', file, '--data', home.file('three')]), [65, 'bad-input'], WHO);
    assert.match(
      failed(await db(home, ['import', home.file('none')]), [65, 'bad-input'], WHO),
      /none cannot be read: it is not there/,
    );
  }),
);

test(
  'compact says the sizes and keeps everybody',
  withHome(async (home) => {
    const aliases = await leave(home, 'SIGTERM', 3);
    assert.match(await ok(home, ['compact']), /: [\d,]+ bytes before, [\d,]+ bytes now\n$/);
    const { before, after } = JSON.parse(await ok(home, ['compact', '--json']));
    assert.ok(Math.abs(before - after) < 5 * PAGE, `${before} ${after}`);
    assert.is((await known(home, [], aliases)).count, aliases.length);
  }),
);

test(
  'a damaged store: the relay does not start and names the command; after it, the relay starts',
  withHome(async (home) => {
    await leave(home, 'SIGKILL');
    const whole = readFileSync(store(home));
    const pages = whole.length / PAGE;
    let found = 0;
    for (let n = 0; n < 8; n++) {
      const file = Buffer.from(whole);
      // One page in each part of the file, and the rest of the file once.
      const first = 2 + Math.floor((n * (pages - 2)) / 8);
      file.fill(0x5a, first * PAGE, n === 5 ? file.length : (first + 1) * PAGE);
      writeFileSync(store(home), file);
      writeFileSync(`${store(home)}.open`, '{}\n');
      const child = home.start(WHO, ['--port', '0']);
      child.stdout?.once('data', () => child.kill('SIGTERM')); // it runs: the page was free
      const refused = await ended(child);
      if (refused.code !== 74) continue;
      found++;
      const said = failed(refused, [74, 'store-damaged'], WHO);
      const command = /To save what can be read: flexim-relay (db recover --data \S+) \[/.exec(
        said,
      );
      assert.ok(command, said);
      assert.ok(said.includes(store(home)), said);
      const { code, stdout, stderr } = await ended(home.start(WHO, command[1]?.split(' ') ?? []));
      assert.is(code, 0, stderr);
      assert.match(stdout, /^table users: [\d,]+ rows saved, /m);
      const kept = /^the damaged file is kept as (\S+)$/m.exec(stdout)?.[1] ?? '';
      assert.match(kept, /relay\.lmdb\.damaged-\d{8}-\d{6}(-\d)?$/);
      assert.ok(readFileSync(kept).equals(file));
      const { relay } = await known(home, [], []);
      assert.is((await relay.ended).code, 0, relay.stderr);
    }
    assert.ok(found > 0);
    const names = readdirSync(home.file('data', 'flexim', 'relay'));
    assert.is(names.filter((name) => name.includes('.damaged-')).length, found);
    assert.match(await ok(home, ['recover']), /is sound; nothing was changed/);
  }),
);

test(
  'what people type wrong: said in a line',
  withHome(async (home) => {
    failed(await db(home, []), [64, 'usage'], WHO);
    failed(await db(home, ['statistics']), [64, 'usage'], WHO);
    failed(await db(home, ['stats', '--port', '1']), [64, 'usage'], WHO);
    for (const file of [[], [''], ['a', 'b']])
      failed(await db(home, ['export', ...file]), [64, 'usage'], WHO);
    for (const command of ['stats', 'compact', 'recover'])
      assert.match(
        failed(await db(home, [command]), [74, 'store-unusable'], WHO),
        /there is no store at .*relay\.lmdb; is --data right\?/,
      );
    home.configure('relay.toml', 'port = 4000\ndata = "/nowhere/at/all"\n');
    assert.match(failed(await db(home, ['stats']), [74, 'store-unusable'], WHO), /\/nowhere\/at/);
    const help = await ok(home, ['--help']);
    for (const command of ['stats', 'compact', 'export', 'import', 'recover'])
      assert.ok(help.includes(`db ${command}`), help);
  }),
);

test.run();
