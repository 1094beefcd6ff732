// The earliest wish counts, once.

import { suite } from 'uvu';
import { Alarm } from '../../src/client/alarm.ts';
import { until } from '../scene.ts';

const test = suite('client: alarm');

test('wishes become one call, at the earliest of them; then it may be set again', async () => {
  let calls = 0;
  const alarm = new Alarm(() => void calls++);
  alarm.within(3_600_000);
  alarm.within(1);
  alarm.within(3_600_000);
  await until(() => calls === 1, 'the alarm');
  alarm.within(1);
  await until(() => calls === 2, 'the alarm again');
  alarm.within(3_600_000);
  alarm.stop();
  alarm.within(1);
});

test.run();
