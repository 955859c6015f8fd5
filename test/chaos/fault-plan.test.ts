import fc from 'fast-check';
import t from 'tap';
import { FaultPlan, type FaultRule } from '../../src/chaos/fault-plan.ts';

const always = (): boolean => true;

/** Draw for each site in turn; every fault that is due happens. */
function play(plan: FaultPlan<string>, sites: readonly string[]): void {
  for (const site of sites) for (const fault of plan.draw(site, always)) fault.hit();
}

t.test('the same seed gives the same events, in whatever order the sites come', async (t) => {
  const rules: FaultRule<string>[] = [
    { name: 'a', rate: 0.5, effect: 'x' },
    { name: 'b', rate: 0.2, effect: 'y' },
  ];
  fc.assert(
    fc.property(
      fc.nat(),
      fc.array(fc.constantFrom('p', 'q', 'r', 's'), { maxLength: 60 }),
      fc.nat(),
      (seed, sites, by) => {
        const [one, other] = [new FaultPlan<string>(seed, rules), new FaultPlan<string>(seed, rules)];
        play(one, sites);
        const turned = by % (sites.length + 1);
        play(other, [...sites.slice(turned), ...sites.slice(0, turned)]);
        t.same(one.events(), other.events());
      },
    ),
    { numRuns: 100, seed: 1 },
  );
});

t.test('another seed gives other events; a rate is met', async (t) => {
  const sites = Array.from({ length: 2000 }, (_, nth) => `site ${nth}`);
  const [one, other] = [1, 2].map((seed) => new FaultPlan<string>(seed, [{ rate: 0.1, effect: 'x' }]));
  if (!one || !other) throw new Error('two plans');
  play(one, sites);
  play(other, sites);
  t.notSame(one.events(), other.events());
  for (const plan of [one, other]) {
    const { length } = plan.events();
    t.ok(length > 140 && length < 260, `${length} of 2000`);
  }
});

t.test('after and count', async (t) => {
  const seen: string[] = [];
  const plan = new FaultPlan<string>(1, [{ name: 'third', after: 2, count: 2, effect: 'x' }], ({ site }) =>
    seen.push(site),
  );
  play(plan, ['a', 'b', 'c', 'd', 'e']);
  t.same(seen, ['c', 'd']);
  t.same(plan.hits(), { third: 2 });
});

t.test('a fault that was planned and never happened fails the run', async (t) => {
  const plan = new FaultPlan<string>(7, [
    { name: 'met', effect: 'x' },
    { name: 'late', after: 5, effect: 'x' },
    { name: 'drawn only', effect: 'due' },
  ]);
  for (const fault of plan.draw('a', always)) if (fault.effect === 'x') fault.hit();
  t.throws(() => plan.verifyAllHit(), {
    code: 'VOST_FAULT_NOT_HIT',
    message: /: late, drawn only$/,
    details: { seed: 7, missed: ['late', 'drawn only'] },
  });
  for (const fault of plan.draw('a', always)) fault.hit();
  play(plan, ['b', 'c', 'd', 'e', 'f']);
  plan.verifyAllHit();
  t.pass('all met');
});

t.test('the log is bounded and keeps the newest', async (t) => {
  const plan = new FaultPlan<string>(1, [{ effect: 'x' }]);
  play(
    plan,
    Array.from({ length: 25_000 }, (_, nth) => String(nth + 100_000)),
  );
  const events = plan.events();
  t.equal(events.length, 10_000);
  t.equal(events.at(-1)?.site, '124999');
});
