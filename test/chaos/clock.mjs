// Loaded into a relay under test with NODE_OPTIONS=--import: its wall clock is off by the number of
// seconds that stands in the file CHAOS_CLOCK names. The monotonic clock stays what it is.

import { readFileSync } from 'node:fs';

const LOOK_MS = 20;
const now = Date.now;
let shift = 0;

function look() {
  try {
    shift = Number(readFileSync(process.env.CHAOS_CLOCK, 'utf8')) * 1_000 || 0;
  } catch {
    shift = 0; // nobody has set it yet
  }
}

look();
setInterval(look, LOOK_MS).unref();
Date.now = () => now() + shift;
