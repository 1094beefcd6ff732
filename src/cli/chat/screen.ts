// Frames to the fewest bytes: lines that changed, in one write, and the cursor in the input. A terminal that
// knows synchronised updates shows each frame at once; others ignore the two sequences.

import type { Frame, Size } from './view.ts';

const BEGIN = '\x1b[?2026h\x1b[?25l';
const END = '\x1b[?25h\x1b[?2026l';

export class Screen {
  #lines: readonly string[] = [];
  #size: Size = { columns: 0, rows: 0 };
  #row = -1;
  #column = -1;

  /** The next frame is written whole: somebody else wrote on the screen. */
  forget(): void {
    this.#size = { columns: 0, rows: 0 };
  }

  /** What to write so that the terminal shows the frame; '' when it does. */
  draw({ lines, row, column }: Frame, size: Size): string {
    const whole = size.columns !== this.#size.columns || size.rows !== this.#size.rows;
    let changes = whole ? '\x1b[0m\x1b[2J' : '';
    for (let i = 0; i < size.rows; i++) {
      const line = lines[i] ?? '';
      const before = whole ? '' : (this.#lines[i] ?? '');
      // Erased first: behind a line that fills the width it would take the last character.
      if (line !== before) changes += `\x1b[${i + 1};1H\x1b[0m\x1b[K${line}`;
    }
    if (changes === '' && row === this.#row && column === this.#column) return '';
    this.#lines = lines;
    this.#size = size;
    this.#row = row;
    this.#column = column;
    const cursor = `\x1b[${row + 1};${column + 1}H`;
    return changes === '' ? cursor : `${BEGIN}${changes}${cursor}${END}`;
  }
}
