// What people type wrong: nothing weakened, nothing secret repeated, nothing of theirs changed.

import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withHome } from './program.ts';

const SECRET = 'hunter2-hunter2';

const test = suite('cli: mistakes');

test(
  'a value for a switch is refused, and not repeated: no key without its lock',
  withHome(async (home) => {
    const said = await home.fails(['keygen', 'a', `--passphrase=${SECRET}`], [64, 'usage']);
    assert.match(said, /--passphrase takes no value/);
    assert.not.match(said, /hunter2/);
    await home.fails(['ping', '--alias=maybe'], [64, 'usage']);
    assert.is(await home.ok(['keys']), '');
  }),
);

test(
  'secrets in the place of arguments are not repeated',
  withHome(async (home) => {
    for (const args of [
      ['keygen', 'a', '--passphrase', SECRET],
      ['restore', 'b', SECRET],
    ]) {
      const said = await home.fails(args, [64, 'usage']);
      assert.match(said, /one argument too many/);
      assert.not.match(said, /hunter2/);
    }
    assert.match(
      await home.fails(['keys', `--pass=${SECRET}`], [64, 'usage']),
      /no option --pass\./,
    );
  }),
);

test(
  'numbers that are none',
  withHome(async (home) => {
    for (const flag of ['--count=', '--count=0x5', '--count=two', '--count=1e3'])
      assert.match(await home.fails(['ping', flag], [64, 'usage']), /--count: want a whole number/);
    const env = { FLEXIM_COUNT: ' ' };
    await home.fails(['ping'], [78, 'config-invalid'], { env });
  }),
);

test(
  'a directory that --data names keeps its mode, and must not be open to others',
  withHome(async (home) => {
    const named = home.file('mine');
    mkdirSync(named, { mode: 0o755 });
    chmodSync(named, 0o755);
    await home.ok(['relays', '--data', named]);
    assert.is(statSync(named).mode & 0o777, 0o755);
    chmodSync(named, 0o777);
    await home.fails(['relays', '--data', named], [77, 'key-exposed']);
    assert.is(statSync(named).mode & 0o777, 0o777);
  }),
);

test(
  'another service on the port is told at once',
  withHome(async (home) => {
    await home.ok(['keygen', 'a']);
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.resume(); // a socket that nobody reads never hears that the other side is gone
      socket.write('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const said = await home.fails(['ping', `127.0.0.1:${port}`], [76, 'protocol-violation']);
    assert.match(said, /no Flexim relay/);
    server.close();
  }),
);

test(
  'a settings file says where it is wrong',
  withHome(async (home) => {
    home.configure('config.toml', 'relay = "x"\ncount = = 3\n');
    assert.match(
      await home.fails(['ping'], [78, 'config-invalid']),
      /config\.toml, line 2, column \d+ is not TOML/,
    );
    const said = await home.fails(['ping', '--config', '/nowhere.toml'], [78, 'config-invalid']);
    assert.match(said, /it is not there/);
  }),
);

test.run();
