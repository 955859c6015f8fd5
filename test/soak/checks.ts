import { existsSync } from 'node:fs';
import type { Test } from 'tap';
import { Served } from '../ost/support/served.ts';
import { CHURN, churn, growth } from './churn.ts';

/** A heap that cannot grow: what grows all the same is a leak, not garbage that V8 has not looked at. */
const SMALL_HEAP = { NODE_OPTIONS: '--max-old-space-size=80 --max-semi-space-size=4' };
/** What pools and malloc of the engine may keep after the first marks, KiB. */
const ENGINE_SLACK = 16 * 1024;
/** What malloc may keep of a host's threads, KiB. */
const HOST_SLACK = 1024;

/** Run a churn and check that nothing grows; resolves when the engine has ended well. */
export async function checkChurn(
  t: Test,
  ...[what, size]: [what: 'handles' | 'mixed', size: Parameters<typeof churn>[2]]
) {
  if (!existsSync(CHURN)) t.bailout('build/ost-test/churn is missing: run make');
  const served = await Served.prepare(t);
  await served.start(SMALL_HEAP);
  const result = await churn(served, what, size);
  const { engine, hosts, before, after } = result;
  t.ok(result.rounds >= size.rounds, `${result.rounds} rounds in ${result.seconds.toFixed(1)} s`);
  t.ok(growth(engine) < ENGINE_SLACK, 'memory of the engine', { marks: engine });
  hosts.forEach((marks, at) => {
    t.ok(growth(marks) < HOST_SLACK, `memory of host ${at}`, { marks });
    const descriptors = new Set(marks.slice(1).map((mark) => mark.descriptors));
    t.equal(descriptors.size, 1, `descriptors of host ${at}: ${[...descriptors].join()}`);
    t.strictSame(new Set(marks.map(({ arenas }) => arenas)), new Set([1]), `one mapping in host ${at}`);
  });
  // Pools and libraries open a few on first use.
  t.ok(
    after.descriptors <= before.descriptors + 8,
    `descriptors of the engine: ${before.descriptors}, ${after.descriptors}`,
  );
  const open = engine.map(({ descriptors }) => descriptors);
  t.ok(Math.max(...open) <= before.descriptors + 8 + 64 * size.processes, `while it worked: ${open.join()}`);
  t.equal(after.arenas, 0, 'memory of hosts that the engine has mapped');
  t.strictSame(result.shm, [], '/dev/shm');
  t.equal(await served.stop(), 0);
  return result;
}
