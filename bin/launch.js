// Starts a program of dist/, or says what is missing.
import { existsSync } from 'node:fs';

export async function launch(name, program) {
  const dist = new URL('../dist/', import.meta.url);
  if (!existsSync(new URL(program, dist))) {
    process.stderr.write(`${name}: not built yet, run npm ci\n`);
    process.exitCode = 70;
    return;
  }
  const { run } = await import(new URL('cli/exit.js', dist));
  const { main } = await import(new URL(program, dist));
  await run(name, () => main(process.argv.slice(2)));
}
