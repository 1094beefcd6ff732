// Makes dist/programs/ of dist/: the two programs and their children in few files, for a module in a file of its
// own costs a millisecond at every start, and there are two hundred. Nothing is minified, and names stay, so that a
// stack trace can be read. What is not plain JavaScript, or seldom needed, is left outside.

import { readFileSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const OUTSIDE = ['libsodium-wrappers', 'lmdb', 'pino', 'yargs', 'yargs/*'];
const PROGRAMS = [
  'cli/flexim.js',
  'cli/relay.js',
  'cli/porter/porter.js',
  'cli/workers/worker.js',
  'store/walk.js',
];
const OUT = 'dist/programs';

// Each by itself: what they have in common would stand in many small files.
const made = await Promise.all(
  PROGRAMS.map((program) =>
    build({
      entryPoints: [`dist/${program}`],
      outdir: OUT,
      entryNames: '[name]', // beside each other: a program finds its children in its own folder
      chunkNames: 'part-[hash]',
      bundle: true,
      splitting: true, // what is imported while it runs stays in files of its own
      format: 'esm',
      platform: 'node',
      mainFields: ['module', 'main'],
      target: 'esnext', // tsc has compiled for Node; else regular expressions would be made at every start
      external: OUTSIDE,
      metafile: true,
      logLevel: 'warning',
    }),
  ),
);

// Whose code went in wants his licence beside it.
const packages = new Set(
  made
    .flatMap(({ metafile }) => Object.values(metafile.outputs))
    .flatMap(({ inputs }) => Object.keys(inputs))
    .flatMap((file) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []),
);
const licences = [...packages].sort().map((name) => {
  const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8'));
  return `${name} ${version}\n\n${licenceOf(name)}`;
});
writeFileSync(`${OUT}/LICENSES.txt`, licences.join('\n\n----\n\n'));

function licenceOf(name) {
  for (const file of ['LICENSE', 'license', 'LICENSE.md'])
    try {
      return readFileSync(`node_modules/${name}/${file}`, 'utf8').trim();
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  throw new Error(`${name} has no licence file`);
}
