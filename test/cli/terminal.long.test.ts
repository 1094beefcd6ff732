// Passphrases and backups typed at a terminal: nothing is shown, and the terminal is as it was after.
import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withHome } from './program.ts';
import { type Terminal, withTerminal } from './terminal.ts';

const SECRET = 'correct horse battery';
const terminals = suite('cli: at a terminal');

/** Runs a line and waits for its exit code; `answers` are typed one by one when their prompts appear. */
async function line(
  terminal: Terminal,
  command: string,
  answers: readonly (readonly [RegExp, string])[] = [],
): Promise<{ code: number; screen: string }> {
  await terminal.clear();
  terminal.type(`${command}; echo "ended $?"\r`);
  for (const [prompt, answer] of answers) {
    await terminal.until(prompt);
    terminal.type(answer);
  }
  const [, code] = await terminal.until(/^ended (\d+)$/m);
  return { code: Number(code), screen: terminal.screen() };
}

terminals(
  'a new passphrase is asked for twice, an old one once; wrong is wrong; none is shown',
  withHome((home) =>
    withTerminal(home, async (terminal) => {
      const made = await line(terminal, 'flexim keygen alice --passphrase > key', [
        [/^New passphrase of alice: ?$/m, '\r'],
        [/must not be empty[\s\S]*New passphrase of alice: ?$/m, `${SECRET}\r`],
        [/The same again: ?$/m, 'something else\r'],
        [/not the same\. Try again\.[\s\S]*New passphrase of alice: ?$/m, `${SECRET}\r`],
        [/Try again[\s\S]*The same again: ?$/m, `${SECRET}\r`],
      ]);
      assert.is(made.code, 0, made.screen);
      const wrong = await line(terminal, 'flexim whoami', [
        [/^Passphrase of alice: ?$/m, 'no\r'],
        [/(Try again\.[\s\S]*){1}Passphrase of alice: ?$/m, 'no\r'],
        [/(Try again\.[\s\S]*){2}Passphrase of alice: ?$/m, 'no\r'],
      ]);
      assert.is(wrong.code, 66, wrong.screen);
      assert.match(wrong.screen, /\[passphrase-wrong\]/);
      // stdout and stdin are free for data: the question goes to the terminal itself.
      const right = await line(terminal, 'flexim whoami --json < /dev/null 2> said > out', [
        [/^Passphrase of alice: ?$/m, `${SECRET}x\x7f\r`],
      ]);
      assert.is(right.code, 0, right.screen);
      const key = readFileSync(home.file('key'), 'utf8').trimEnd();
      assert.is(JSON.parse(readFileSync(home.file('out'), 'utf8')).key, key);
      assert.not.match(readFileSync(home.file('said'), 'utf8'), /Passphrase of/);
      for (const { screen } of [made, wrong, right])
        assert.not.match(screen, /horse|something else|no$/m);
    }),
  ),
);

terminals(
  'Ctrl-C at the paper backup cancels, in words',
  withHome((home) =>
    withTerminal(home, async (terminal) => {
      const { code, screen } = await line(terminal, 'flexim restore carol', [
        [/Paper backup .*: ?$/m, '\x03'],
      ]);
      assert.is(code, 65, screen);
      assert.match(screen, /cancelled; nothing was changed/);
    }),
  ),
);

terminals(
  'Ctrl-C and SIGTERM leave the terminal as it was',
  withHome((home) =>
    withTerminal(home, async (terminal) => {
      const make = 'flexim keygen bob --passphrase';
      const prompt = /^New passphrase of bob: ?$/m;
      const modes = async () => {
        await line(terminal, 'stty -a > modes');
        // Its size is tmux's affair.
        return readFileSync(home.file('modes'), 'utf8').replace(/rows \d+; columns \d+;/, '');
      };
      const before = await modes();
      assert.match(before, / echo /);
      const restored = async () => assert.is(await modes(), before);
      const cancelled = await line(terminal, make, [[prompt, `${SECRET}\x03`]]);
      assert.is(cancelled.code, 78, cancelled.screen);
      assert.match(cancelled.screen, /cancelled[\s\S]*\[passphrase-needed\]/);
      assert.not.match(cancelled.screen, /horse/);
      await restored();

      await terminal.clear();
      terminal.type(`${make}; echo "ended $?"\r`);
      await terminal.until(prompt);
      process.kill(terminal.foreground(), 'SIGTERM');
      await terminal.until(/^ended 143$/m);
      await restored();
      assert.equal(readdirSync(home.keys), []);
    }),
  ),
);

terminals(
  'restore asks for the paper backup, and takes it as it is typed',
  withHome((home) =>
    withTerminal(home, async (terminal) => {
      const key = (await home.ok(['keygen', 'alice'])).trimEnd();
      const paper = (await home.ok(['paper'])).trimEnd();
      const done = await line(terminal, 'flexim restore again > key', [
        [/^Paper backup .*: ?$/m, `${paper.toLowerCase()}\r`],
      ]);
      assert.is(done.code, 0, done.screen);
      assert.is(readFileSync(home.file('key'), 'utf8').trimEnd(), key);
      assert.equal(readdirSync(home.keys).sort(), ['again.fxk', 'alice.fxk']);
    }),
  ),
);

terminals.run();
