// What others could send to take over a terminal, to hide, or to pass for somebody else.

export const HOSTILE = [
  '\x1b[2J\x1b[H\x1b[31mred',
  '\x1b]0;title\x07\x1b]52;c;aGk=\x1b\\',
  '\x1bP+q544e\x1b\\\x1b_Gx\x1b\\',
  '\x9b2J\x9d0;x\x9c\x84\x85\x90',
  'a\rb\vc\fd\be\x7f\x00\x07',
  '\u202eevil\u202c \u2066a\u2069 \u200e\u200f\u061c',
  'zero\u200bwidth\ufeff\u2060\u00ad\u034f\u3164',
  'line\u2028para\u2029graph\u0085next',
  '\ud800 lone \udc00',
  `z${'\u0301'.repeat(5000)}`,
  '\u0301first',
  '\u{e0041}\u{e0042}tags',
  `wide ${'\u1100'.repeat(100)}`,
  'fake\n12:00 me> yes ✓✓\n\n\n── new ──',
  '\n'.repeat(500),
  'x'.repeat(20_000),
  `${'\u{1f468}\u200d'.repeat(100)}\u{1f469}`,
];
