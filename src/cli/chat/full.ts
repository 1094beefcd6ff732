// The full screen: the alternate screen, so that what was in the terminal before is there again after.

import type { App } from './app.ts';
import type { Mode } from './loop.ts';
import type { Paint } from './paint.ts';
import { Screen } from './screen.ts';

export function fullScreen(app: App, paint: Paint): Mode {
  const screen = new Screen();
  return {
    // Alternate screen, no wrapping at the edge, bracketed paste.
    enter: '\x1b[?1049h\x1b[?7l\x1b[?2004h',
    leave: () => '\x1b[?2026l\x1b[0m\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l',
    forget: () => screen.forget(),
    render: (size) => screen.draw(app.frame(size, paint), size),
  };
}
