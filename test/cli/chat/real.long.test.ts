// Two people at `flexim chat`: golden captures of what each of them sees. GOLDEN=write makes them anew.

import { suite } from 'uvu';
import { withHome } from '../program.ts';
import { golden } from './demo-terminal.ts';
import { atTable, capture, settled } from './real-terminal.ts';

const test = suite('chat: two people');

test(
  'first contact, both ways, the unread rule, wide characters and emoji',
  atTable(async ({ alice, bob }) => {
    await bob.chat();
    await bob.terminal.until(/online · flexim over tcp/);
    bob.terminal.type('x\x7f'); // a key takes the notice about the relay away
    await capture('alone', bob, /Nobody yet[\s\S]*nobody yet: \/msg WHO/);
    await alice.chat('bob');
    await alice.terminal.until(/^ bob · not verified .* online/);
    await capture('empty', alice, /Nothing was said here yet/);
    alice.terminal.type('hello bob, 日本語 and \u{1f468}\u200d\u{1f469}\u200d\u{1f467}\r');
    await bob.terminal.until(/alice\? has written: Alt-1/); // and what is said about him stands below
    alice.terminal.type('second\r');
    await alice.terminal.until(/me> second ✓✓/);
    await capture('request', bob, /1 alice\? +\+2│/);
    bob.terminal.type('\x1b1');
    await capture('request-open', bob, /─ new ─[\s\S]*wrote first[\s\S]*alice\?: second/);
    bob.terminal.type('hi alice\r/me waves\r/notify look\r');
    await capture('answered', bob, /URGENT me> look ✓✓/);
    await capture('both', alice, /\* bob waves[\s\S]*URGENT bob: look/);
    alice.terminal.type('/verify\r');
    await alice.terminal.until(/any key goes back/);
    const number = /(?:\d{5} ){3}\d{5}/.exec(alice.terminal.screen())?.[0];
    bob.terminal.type('/verify\r');
    await bob.terminal.until(new RegExp(number as string));
    alice.terminal.type('/verify yes\r');
    await alice.terminal.until(/^ bob · verified/);
    alice.terminal.resize(40, 12);
    await capture('narrow', alice, /^ bob · verified +online$/m);
  }),
);

test(
  'away and back: what was written meanwhile is there, and where it begins',
  atTable(async ({ alice, bob }) => {
    await bob.chat();
    await bob.terminal.until(/online/);
    await alice.chat('bob');
    await alice.terminal.until(/Nothing was said here yet/);
    alice.terminal.type('one\r');
    await alice.terminal.until(/me> one ✓✓/);
    bob.terminal.type('\x1b1');
    await bob.terminal.until(/alice\?: one/);
    bob.terminal.type('read it\r/quit\r');
    await alice.terminal.until(/bob: read it/);
    await bob.left();
    alice.terminal.type('two\rthree\r');
    await alice.terminal.until(/me> three ✓$/m); // the relay has it
    await bob.chat('alice');
    await capture('unread', bob, /─ new ─[\s\S]*alice: two\n.*alice: three/);
    await alice.terminal.until(/me> three ✓✓/);
  }),
);

test(
  'the relay goes, and comes again',
  atTable(async (table) => {
    const { alice, bob } = table;
    await bob.chat();
    await bob.terminal.until(/online/);
    await alice.chat('bob');
    await alice.terminal.until(/Nothing was said here yet/);
    alice.terminal.type('before\r');
    await alice.terminal.until(/me> before ✓✓/);
    await table.relay.stop('SIGKILL');
    await alice.terminal.until(/ offline · /);
    alice.terminal.type('meanwhile\r');
    await alice.terminal.until(/me> meanwhile ·/);
    await alice.terminal.until(/^ offline: .*\n> *$/m);
    golden(
      'real-offline',
      settled(alice.terminal.screen()).replace(/^ offline: .*$/m, ' offline: …'),
    );
    await table.restart();
    await capture('again', alice, /online[\s\S]*me> meanwhile ✓✓/);
  }),
);

test(
  'a relay that names another key for bob: said, and nothing is sent until it was compared',
  atTable(async (table) => {
    const { alice, bob } = table;
    await bob.chat();
    await bob.terminal.until(/online/);
    await alice.chat('bob');
    await alice.terminal.until(/Nothing was said here yet/);
    alice.terminal.type('hello\r');
    await alice.terminal.until(/me> hello ✓✓/);
    bob.terminal.type('\x04');
    await bob.left();
    // The same relay without its memory, at which somebody else was the first to call himself bob.
    await table.relay.stop('SIGKILL');
    await withHome(async (other) => {
      await other.ok(['keygen', 'bob']);
      await table.elsewhere('forgetful', ({ port }) => other.ok(['ping', `127.0.0.1:${port}`]));
    })();
    await table.restart('forgetful');
    await capture(
      'changed',
      alice,
      / KEY CHANGED .* online[\s\S]*The key of bob changed[\s\S]*>\s*$/,
    );
    alice.terminal.type('secret\r');
    await alice.terminal.until(/not sent: the key of bob changed[\s\S]*> secret/);
    alice.terminal.type('\x03/verify\r');
    await alice.terminal.until(/safety number of the NEW key of bob/);
    alice.terminal.type('/trust\r');
    await capture('trusted', alice, /^ bob · not verified[\s\S]*bob has another key now/);
    alice.terminal.type('/quit\r');
    await alice.left();
  }),
);

test.run();
