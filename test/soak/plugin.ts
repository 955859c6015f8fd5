/** `make soak-plugin`: the endurance runs, and what was measured. Minutes. */
import t, { type Test } from 'tap';
import { checkChurn } from './checks.ts';
import type { ChurnResult } from './churn.ts';

t.setTimeout(3_600_000);

function tell(t: Test, { rounds, seconds, engine, hosts, before, after }: ChurnResult): void {
  const list = (values: readonly number[]) => values.join(' ');
  t.comment(`${rounds} rounds in ${seconds.toFixed(0)} s`);
  t.comment(`engine, private KiB at the marks: ${list(engine.map(({ memory }) => memory))}`);
  t.comment(
    `engine, descriptors: ${before.descriptors} before, ${list(engine.map((one) => one.descriptors))}, ${after.descriptors} after`,
  );
  for (const marks of hosts) t.comment(`host, private KiB: ${list(marks.map(({ memory }) => memory))}`);
}

t.test('100,000 rounds of handles, 32 streams of 8 processes', async (t) => {
  tell(t, await checkChurn(t, 'handles', { rounds: 100_000, processes: 8, streams: 4 }));
});

t.test('scattered reads of old images while new ones are written', async (t) => {
  tell(t, await checkChurn(t, 'mixed', { rounds: 24_000, processes: 4, streams: 4 }));
});
