// The address that a relay prints when it listens on all addresses.

import { hostname } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { reachableHost } from '../../src/cli/relay.ts';

const test = suite('cli: reachable host');
type Interfaces = NonNullable<Parameters<typeof reachableHost>[1]>;
const one = (address: string, family: 'IPv4' | 'IPv6', internal: boolean) =>
  ({ address, family, internal, netmask: '', mac: '', cidr: null, scopeid: 0 }) as never;

test('a host that was named stays; for all addresses it is one that others can dial', () => {
  const interfaces: Interfaces = {
    lo: [one('127.0.0.1', 'IPv4', true)],
    eth0: [one('2001:db8::1', 'IPv6', false), one('192.0.2.7', 'IPv4', false)],
  };
  assert.is(reachableHost('127.0.0.1', interfaces), '127.0.0.1');
  assert.is(reachableHost('relay.example', interfaces), 'relay.example');
  assert.is(reachableHost('0.0.0.0', interfaces), '192.0.2.7');
  assert.is(reachableHost('::', { eth0: [one('2001:db8::1', 'IPv6', false)] }), '2001:db8::1');
  assert.is(reachableHost('::', {}), hostname());
});

test.run();
