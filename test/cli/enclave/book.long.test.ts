// flexim enclave as a program: the address book from the command line, two nodes, and what goes wrong.

import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Home, withHome } from '../program.ts';

const test = suite('cli: enclave');
const KEY = 'ab'.repeat(32);

function bookOf(home: Home): string {
  const data = home.file('data', 'flexim');
  const profile = readdirSync(data).find((name) => /^[0-9a-f]{32}$/.test(name)) ?? '';
  return join(data, profile, 'address-book');
}

test(
  'add, list, plain, block, remove: each is there at once, and mistakes change nothing',
  withHome(async (home) => {
    await home.ok(['keygen', 'alice']);
    assert.is(await home.ok(['enclave', 'friends']), '');
    await home.ok(['enclave', 'add', 'bob', '10.0.0.7']);
    const carol = await home.ok([
      'enclave',
      'add',
      'carol',
      '[::1]:9',
      KEY.toUpperCase(),
      '--json',
    ]);
    assert.equal(JSON.parse(carol), {
      ...{ name: 'carol', host: '::1', port: 9, key: KEY, plain: false, blocked: false },
    });
    await home.fails(['enclave', 'add', 'BOB', '10.0.0.8'], [65, 'contact-exists']);
    await home.fails(['enclave', 'add', 'a b', '10.0.0.8'], [65, 'alias-invalid']);
    await home.fails(['enclave', 'add', 'eve', 'a/b'], [64, 'bad-address']);
    await home.fails(['enclave', 'add', 'eve', 'host', 'key'], [65, 'bad-input']);
    await home.fails(['enclave', 'block', 'eve'], [67, 'contact-unknown']);
    await home.fails(['enclave', 'plain', 'carol'], [77, 'not-encrypted']);
    assert.match(await home.ok(['enclave', 'plain', 'bob']), /NOT ENCRYPTED, as you allowed/);
    await home.ok(['enclave', 'plain', 'bob', '--off']);
    await home.ok(['enclave', 'block', 'bob']);
    assert.is(
      readFileSync(bookOf(home), 'utf8'),
      `bob 10.0.0.7:7776 blocked\ncarol [::1]:9 ${KEY}\n`,
    );
    await home.ok(['enclave', 'remove', 'bob']);
    const path = bookOf(home);
    writeFileSync(path, `${readFileSync(path, 'utf8')}nonsense\n`);
    const { stderr } = await home.run(['enclave', 'friends']);
    assert.match(stderr, /line 2: the address is missing/);
    await home.ok(['enclave', 'block', 'carol']);
    assert.is(readFileSync(path, 'utf8'), `carol [::1]:9 ${KEY} blocked\nnonsense\n`);
  }),
);

test(
  'a port that is taken, and a place that is none, end it with a reason',
  withHome(async (home) => {
    await home.ok(['keygen', 'alice']);
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const taken = await home.run(['enclave', '--listen', `127.0.0.1:${port}`]);
    assert.is(taken.code, 75);
    assert.match(taken.stderr, /\[port-in-use\]\n$/);
    server.close();
    await home.fails(['enclave', '--listen', 'here'], [64, 'bad-address']);
    await home.fails(['chat', '--transport', 'pigeon'], [64, 'usage']);
  }),
);

test.run();
