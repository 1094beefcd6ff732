// The QR code of flexim verify, read from the screen of a terminal, and what a narrow one gets.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withHome } from '../program.ts';
import { withTerminal } from '../terminal.ts';
import { decodeQr } from './decode.ts';

const BOB = 'b0'.repeat(32);
const SIZE = 49;
const BORDER = 4;
const test = suite('cli: verify at a terminal');

/** The code on a screen; `drawn` says which modules blocks stand for. */
function codeOn(screen: string, drawn: 'dark' | 'light'): string {
  const lines = screen.split('\n').filter((line) => /[▀▄█]/.test(line));
  const wide = lines.map((line) => line.padEnd(SIZE + 2 * BORDER));
  const half = (shapes: string) => (line: string) =>
    [...line].map((shape) => shapes.includes(shape) === (drawn === 'dark'));
  const rows = wide.flatMap((line) => [half('▀█')(line), half('▄█')(line)]);
  // Above the first line with a block a dark code on light has a border that is empty.
  const top = drawn === 'dark' ? rows.findIndex((row) => row.includes(true)) : BORDER;
  const code = rows.slice(top, top + SIZE).map((row) => row.slice(BORDER, BORDER + SIZE));
  return decodeQr(code).text;
}

test(
  'in colours, without, and in a terminal that is too narrow',
  withHome((home) =>
    withTerminal(home, async (terminal) => {
      const alice = (await home.ok(['keygen', 'alice'])).trimEnd();
      await home.ok(['contacts', 'add', BOB, 'bob']);
      const text = `FXSN1:${alice}${BOB}`;
      terminal.resize(100, 60);
      await terminal.clear();
      terminal.type('flexim verify bob; echo "ended $?"\r');
      await terminal.until(/^ended 0$/m);
      assert.is(codeOn(terminal.screen(), 'dark'), text);
      assert.match(terminal.screen(), /^(\d{5} ){3}\d{5}$/m);
      await terminal.clear();
      terminal.type('NO_COLOR=1 flexim verify bob; echo "ended $?"\r');
      await terminal.until(/^ended 0$/m);
      assert.is(codeOn(terminal.screen(), 'light'), text);
      terminal.resize(50, 60);
      await terminal.clear();
      terminal.type('flexim verify bob; echo "ended $?"\r');
      await terminal.until(/^ended 0$/m);
      assert.not.match(terminal.screen(), /[▀▄█]/);
      assert.match(terminal.screen().replaceAll('\n', ''), /needs a terminal of 53 columns/);
    }),
  ),
);

test.run();
