// Relay addresses: what is taken, what is refused with which reason, and that format undoes parse.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Address,
  formatAddress,
  hostAndPort,
  isLoopback,
  parseAddress,
  parseKey,
} from '../../src/lib/address.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import { count } from '../count.ts';
import { anyText } from '../texts.ts';

const test = suite('addresses');
const KEY = 'ab'.repeat(32);
const none = { relayKey: null, transport: null, invite: null, person: null };

test('keys: 64 hex digits of any case, kept in lower case', () => {
  assert.is(parseKey(KEY), KEY);
  assert.is(parseKey(KEY.toUpperCase()), KEY);
  for (const bad of ['', KEY.slice(1), `${KEY}a`, `${KEY}\n`, `g${KEY.slice(1)}`, ` ${KEY}`])
    assert.is(parseKey(bad), null);
});

test('a host, a host and port, a full address', () => {
  assert.equal(parseAddress('Relay.Example'), { ...none, host: 'relay.example', port: 4321 });
  assert.equal(parseAddress('h:1'), { ...none, host: 'h', port: 1 });
  assert.equal(parseAddress('flexim://h:65535/'), { ...none, host: 'h', port: 65535 });
  assert.equal(parseAddress('[::1]:99'), { ...none, host: '::1', port: 99 });
  assert.equal(parseAddress('[FE80::1%eth0]'), { ...none, host: 'fe80::1%eth0', port: 4321 });
  const full = `flexim://h:5?relay=${KEY}&transport=commstream&invite=a=b==#${KEY.toUpperCase()}`;
  assert.equal(parseAddress(full), {
    host: 'h',
    port: 5,
    relayKey: KEY,
    transport: 'commstream',
    invite: 'a=b==',
    person: KEY,
  });
});

const refused: readonly [string, RegExp][] = [
  ['', /host/],
  [':4321', /host/],
  ['-h', /host/],
  ['h h', /host/],
  ['h\n', /host/],
  ['::1', /host/],
  ['http://h', /host/],
  ['h:port', /host/],
  ['h:123456', /host/],
  ['h/path', /host/],
  ['h\u001b[2J', /host/],
  ['h:0', /port/],
  ['h:65536', /port/],
  ['h?relay=12', /relay= is not 64 hex digits/],
  [`h?relay=${KEY}=`, /relay= is not 64 hex digits/],
  ['h?relay', /relay= has no value/],
  ['h?invite=', /invite= has no value/],
  ['h?color=red', /unknown option/],
  ['h?__proto__=1', /unknown option/],
  ['h?invite=a&invite=b', /twice/],
  ['h#bob', /person after # is not 64 hex digits/],
  ['h#', /person after #/],
  ['h'.repeat(1001), /longer than 1000/],
];
for (const [address, why] of refused)
  test(`refused: ${JSON.stringify(address.slice(0, 30))} ${why}`, () => {
    assert.throws(
      () => parseAddress(address),
      (error: Error) => isFleximError(error, 'bad-address') && why.test(error.message),
    );
  });

const key = fc.option(
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b) => Buffer.from(b).toString('hex')),
);
const word = fc.option(fc.stringMatching(/^[a-z0-9=._-]{1,12}$/));
const addresses: fc.Arbitrary<Address> = fc.record(
  {
    host: fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6()).map((host) => host.toLowerCase()),
    port: fc.integer({ min: 1, max: 65535 }),
    relayKey: key,
    transport: word,
    invite: word,
    person: key,
  },
  { noNullPrototype: true },
);

test('what is formatted is parsed', () => {
  fc.assert(
    fc.property(addresses, (address) => {
      assert.equal(parseAddress(formatAddress(address)), address);
    }),
  );
});

test('what is parsed is parsed again from its canonical text', () => {
  fc.assert(
    fc.property(anyText({ maxLength: 20 }), (text) => {
      let address: Address;
      try {
        address = parseAddress(text);
      } catch (error) {
        assert.ok(isFleximError(error, 'bad-address'));
        return;
      }
      assert.equal(parseAddress(formatAddress(address)), address);
    }),
    { numRuns: count(200, 2000) },
  );
});

test('host and port, with brackets around IPv6', () => {
  assert.is(hostAndPort({ host: 'h', port: 1 }), 'h:1');
  assert.is(hostAndPort({ host: '::1', port: 1 }), '[::1]:1');
});

test('loopback', () => {
  for (const host of ['localhost', '::1', '127.0.0.1', '127.9.8.7']) assert.ok(isLoopback(host));
  for (const host of [
    '128.0.0.1',
    '127.0.0.1.example',
    'localhost.example',
    '::2',
    '10.0.0.1',
    '127.1',
  ])
    assert.not(isLoopback(host));
});

test.run();
