// Starts a program of dist/, or says what is missing. dist/programs/ has the programs in few files (bundle.js); where
// that is not there, as in copies that tests change, the modules of dist/ are the program.
import { existsSync } from 'node:fs';

// lmdb loads msgpackr, which we have no use for; it need not load its native part as well.
process.env.MSGPACKR_NATIVE_ACCELERATION_DISABLED ??= 'true';

export async function launch(name, program) {
  const dist = new URL('../dist/', import.meta.url);
  const places = [`programs/${program}.js`, `cli/${program}.js`];
  const found = places.map((place) => new URL(place, dist)).find(existsSync);
  if (!found) {
    process.stderr.write(`${name}: not built yet, run npm ci\n`);
    process.exitCode = 70;
    return;
  }
  const { main, run } = await import(found);
  await run(name, () => main(process.argv.slice(2)));
}
