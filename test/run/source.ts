// What the source of a test file tells before it runs.

import { readFileSync } from 'node:fs';

/** What it promises and would not keep, or null. */
export function sourceTrouble(path: string): string | null {
  const source = readFileSync(path, 'utf8');
  const suites = source.match(/\bsuite\(/g)?.length ?? 0;
  const runs = source.match(/\.run\(\)/g)?.length ?? 0;
  if (suites === 0) return 'declares no suite(…)';
  if (suites !== runs) return `has ${suites} suites but ${runs} calls of .run()`;
  const idle = source.match(/\.(only|skip)\(/);
  return idle ? `switches tests off with ${idle[0]}` : null;
}

export const isLong = (path: string): boolean => path.endsWith('.long.test.ts');

/** It does more in the long run than in the short one. */
export const hasCounts = (path: string): boolean => /\bcount\.ts'/.test(readFileSync(path, 'utf8'));

/** It measures or changes its process, or is a long one: it gets one of its own. */
export function isAlone(path: string): boolean {
  return (
    isLong(path) ||
    /\bprocess\.(?!execPath\b|pid\b|kill\b)|\bmock\.method\(/.test(readFileSync(path, 'utf8'))
  );
}
