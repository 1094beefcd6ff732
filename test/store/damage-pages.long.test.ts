// Stores with damaged pages.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { examineAll } from './damage.ts';

const test = suite('store damage: pages');

test('every damage is found, or is none; what is recovered is true', async () => {
  assert.ok((await examineAll('pages', 0.9)).length > 10);
});

test.run();
