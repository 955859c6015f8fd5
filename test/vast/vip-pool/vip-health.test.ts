import fc from 'fast-check';
import t from 'tap';
import { VipHealth } from '../../../src/vast/vip-pool/vip-health.ts';
import { VirtualClock } from './support.ts';

/** Length of the quarantine that begins now; undefined when none does. */
function failUntilOut(health: VipHealth, clock: VirtualClock): number {
  while (!health.failure(health.epoch, 1)) if (health.until !== undefined) throw new Error('out already');
  return (health.until ?? 0) - clock.now();
}

t.test('one failure is an accident, three are not', async (t) => {
  const health = new VipHealth(new VirtualClock());
  t.notOk(health.failure(health.epoch, 1));
  for (let at = 0; at < 2; at += 1) health.success(health.epoch);
  t.notOk(health.failure(health.epoch, 1), 'successes make up for failures');
  t.notOk(health.failure(health.epoch, 1));
  t.ok(health.failure(health.epoch, 1));
  t.notOk(health.failure(health.epoch, 1), 'it begins once');
});

t.test('what was under way when it began counts for nothing', async (t) => {
  const clock = new VirtualClock();
  const health = new VipHealth(clock);
  const before = health.epoch;
  failUntilOut(health, clock);
  const { until } = health;
  t.notOk(health.failure(before, 1));
  health.success(before);
  t.equal(health.until, until, 'neither prolonged nor ended');
  health.success(health.epoch);
  t.equal(health.until, undefined, 'a request that began in it and went well ends it');
  const after = health.epoch;
  t.not(after, before);
  const late = Array.from({ length: 10 }, () => health.failure(before, 1));
  t.notOk(late.includes(true), 'late failures do not begin another');
});

t.test('each is twice as long as the one before, until there was peace for as long', async (t) => {
  const clock = new VirtualClock();
  const health = new VipHealth(clock);
  const lengths: number[] = [];
  for (let at = 0; at < 8; at += 1) {
    lengths.push(failUntilOut(health, clock));
    t.equal(health.level, at + 1);
    health.readmit();
  }
  t.same(lengths, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  await clock.advance(59_999);
  t.equal(failUntilOut(health, clock), 60_000);
  health.extend();
  health.readmit();
  await clock.advance(60_000);
  t.equal(failUntilOut(health, clock), 1_000, 'peace for as long as the last one');
});

t.test('chance shortens it by up to a half', async (t) => {
  const clock = new VirtualClock();
  clock.chance(0);
  t.equal(failUntilOut(new VipHealth(clock), clock), 500);
  clock.chance(0.5);
  t.equal(failUntilOut(new VipHealth(clock), clock), 750);
});

t.test(
  'out of order or not: a VIP at which half of the requests fails goes, one that serves nine of ten stays',
  async (t) => {
    const outcomes = (bad: number) =>
      fc.array(fc.nat({ max: 9 }), { minLength: 400, maxLength: 400 }).map((dice) => dice.map((die) => die >= bad));
    fc.assert(
      fc.property(outcomes(5), (all) => {
        const health = new VipHealth(new VirtualClock());
        return all.some((ok) => (ok ? health.success(health.epoch) : health.failure(health.epoch, 1)) === true);
      }),
      { numRuns: 50 },
    );
    const steady = new VipHealth(new VirtualClock());
    let out = false;
    for (let at = 0; at < 10_000; at += 1) {
      if (at % 10 === 0) out ||= steady.failure(steady.epoch, 1.5);
      else steady.success(steady.epoch);
    }
    t.notOk(out);
  },
);
