import t, { type Test } from 'tap';
import { NotGood, TransformBench } from '../../src/stage-kit/bench.ts';
import type { CheckResult } from '../../src/stage-kit/check.ts';
import { testStage } from '../../src/stage-kit/kit.ts';
import { measure } from '../../src/stage-kit/throughput.ts';
import { transformChecks } from '../../src/stage-kit/transform-checks.ts';
import { loadStage } from '../../src/vendor-stages/load-stage.ts';
import { isTransform } from '../../src/vendor-stages/vendor-stages.ts';
import { configurationOf } from '../../src/vendor-stages/vendor-transform.ts';
import { refusal } from '../support/refusal.ts';
import { fixture } from '../vendor-stages/support.ts';

const quiet = { mainThread: true, onReport: () => undefined, onOutput: () => undefined };

async function faulty(t: Test, fault: string): Promise<TransformBench> {
  const stage = await loadStage(fixture('faulty/index.js'), '/nonexistent', quiet);
  const reader = await loadStage(fixture('faulty/index.js'), '/nonexistent', quiet);
  if (!isTransform(stage) || !isTransform(reader)) throw new Error('no transform');
  const configuration = await configurationOf(stage, { fault });
  const bench = new TransformBench(stage, reader, configuration, new AbortController().signal);
  t.teardown(async () => {
    bench.close();
    await stage.close();
    await reader.close();
  });
  return bench;
}

const FAULTS = [
  ['last', 'round trip', /4096 bytes where 4097 were due/],
  ['wrong', 'parts of an image', /chunk 2 alone: byte 255 came back as/],
  ['order', 'parts of an image', /byte 0 came back as 0/],
  ['salted', 'deterministic', /zeros, encoded again: byte 0 came back/],
  ['leak', 'memory', /\d threads had to be replaced/],
  ['picky', 'damaged input', /only the first 0 bytes was not taken for damage/],
  ['sealed', 'seal', /an image that was cut was not taken for damaged: .*too short/],
  ['stuck', 'damaged input', /only the first 0 bytes: .*did not answer for 2 seconds/],
] as const;

for (const [fault, name, expected] of FAULTS) {
  t.test(`“${name}” finds the fault “${fault}”`, async (t) => {
    const check = transformChecks(await faulty(t, fault)).find((one) => one.name === name);
    const error = await check?.run().catch((error: unknown) => error);
    if (!(error instanceof Error)) throw new Error(`nothing was found: ${error}`);
    t.match(error.message, expected);
    t.equal(error instanceof NotGood || 'code' in error, true);
  });
}

t.test('backpressure, aborts and a measurement of a stage without faults', async (t) => {
  const bench = await faulty(t, 'none');
  for (const { name, run } of transformChecks(bench))
    if (['backpressure', 'abort'].includes(name)) await t.resolves(run(), name);
  const measured = await measure(bench, 0);
  t.equal(measured.length, 6);
  for (const { bytesPerSecond, ratio } of measured) t.ok(bytesPerSecond > 0 && ratio === 1);
});

t.test('the whole kit', async (t) => {
  const begun: string[] = [];
  const ended: CheckResult[] = [];
  const kit = (spec: string, options: Record<string, string> = {}, signal = new AbortController().signal) =>
    testStage(
      { spec, options },
      {
        ...quiet,
        folder: '/nonexistent',
        seconds: 0,
        signal,
        onBegin: (check) => begun.push(check),
        onEnd: (result) => ended.push(result),
      },
    );
  for (const name of ['watch', 'route']) {
    const { checks, description } = await kit(fixture(name));
    t.equal(description.name, `vast-ost-stage-${name}`);
    t.ok(checks.every(({ ok }) => ok));
    t.same(ended.splice(0), checks);
    t.same(
      begun.splice(0),
      checks.map(({ check }) => check),
    );
  }
  await t.rejects(kit('/nonexistent').then(), refusal('usage', { code: 'VOST_STAGE_LOAD' }));
  const reason = new Error('enough');
  const stopped = kit(fixture('route'), {}, AbortSignal.abort(reason));
  await t.rejects(stopped.then(), refusal('aborted', { cause: reason }));
});
