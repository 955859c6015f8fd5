import t from 'tap';
import { seededRandom } from '../../../src/sim/faults/random.ts';
import { type Decision, HillClimb } from '../../../src/vast/flow/hill-climb.ts';

interface Drive {
  readonly from?: number;
  readonly full?: boolean;
  /** Share of the time that our own thread is at work with so many in flight. */
  readonly work?: (limit: number) => number;
}

/** Requests of 64 bytes that end one after the other, as fast as `rate` (bytes per second) says for a limit. */
function drive(
  climb: HillClimb,
  rate: (limit: number) => number,
  requests: number,
  { from = 0, full = true, work = () => 0 }: Drive = {},
): number {
  let [at, worked] = [from, 0];
  for (let n = 0; n < requests; n += 1) {
    const took = (64 / rate(climb.limit)) * 1000;
    at += took;
    worked += took * work(climb.limit);
    climb.ended({ at, bytes: 64, busy: false, full, worked });
  }
  return at;
}

/** So much slower or faster, for 32 requests at a time. */
function chance(seed: number, share: number): () => number {
  const random = seededRandom(seed);
  let [left, factor] = [0, 1];
  return () => {
    if (left === 0) [left, factor] = [32, 1 + share * (2 * random() - 1)];
    left -= 1;
    return factor;
  };
}

t.test('climbs while more is faster, and stops where it is not', async (t) => {
  const climb = new HillClimb({ start: 4, most: 64 });
  drive(climb, (limit) => 640 * Math.min(limit, 20), 5000);
  t.ok(climb.limit >= 15 && climb.limit <= 26, `${climb.limit}`);
});

t.test('goes down when less is as fast', async (t) => {
  const climb = new HillClimb({ start: 4, most: 64 });
  drive(climb, () => 640, 5000);
  t.ok(climb.limit <= 2, `${climb.limit}`);
});

t.test('a world that changes is found out anew', async (t) => {
  const climb = new HillClimb({ start: 4, most: 64 });
  const at = drive(climb, (limit) => 640 * Math.min(limit, 8), 5000);
  t.ok(climb.limit <= 11, `first ${climb.limit}`);
  drive(climb, (limit) => 640 * Math.min(limit, 40), 20_000, { from: at });
  t.ok(climb.limit >= 30, `then ${climb.limit}`);
});

t.test('what others limit is not judged', async (t) => {
  const decisions: Decision[] = [];
  const climb = new HillClimb({ start: 4, most: 64, onDecision: (decision) => decisions.push(decision) });
  drive(climb, () => 640, 5000, { full: false });
  t.same(decisions, []);
  t.equal(climb.limit, 4);
});

t.test('too busy: cut once for all that were in flight, and not tried again soon', async (t) => {
  const decisions: Decision[] = [];
  const climb = new HillClimb({ start: 16, most: 64, onDecision: (decision) => decisions.push(decision) });
  let at = 0;
  for (let n = 0; n < 10; n += 1) climb.ended({ at: ++at, bytes: 0, busy: true, full: true, worked: 0 });
  t.match(decisions, [{ from: 16, to: 12, reason: 'busy' }]);
  const least = drive(climb, (limit) => 640 * limit, 2000, { from: at });
  t.equal(climb.limit, 15, 'as far as one below the limit that was too much');
  t.ok(least > 0);
});

t.test('too busy for what was tried: back to what was taken before', async (t) => {
  const climb = new HillClimb({ start: 4, most: 64 });
  let at = 0;
  for (let n = 0; n < 3000; n += 1) {
    at += 100 / climb.limit;
    const busy = climb.limit > 12;
    climb.ended({ at, bytes: busy ? 0 : 64, busy, full: true, worked: 0 });
    if (n > 400) t.ok(climb.limit >= 9, `${climb.limit}`);
  }
});

t.test('luck is no gain: little is in flight where nothing but chance makes more look faster', async (t) => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const climb = new HillClimb({ start: 4, most: 64 });
    const luck = chance(seed, 0.3);
    let [most, at] = [0, 0];
    for (let n = 0; n < 300; n += 1) {
      at = drive(climb, () => 6400 * luck(), 100, { from: at });
      most = Math.max(most, climb.limit);
    }
    t.ok(most <= 24, `seed ${seed}: at most ${most}`);
  }
});

t.test('more than our own thread can work on is taken back, and never tried while it is at work', async (t) => {
  const climb = new HillClimb({ start: 4, most: 64 });
  const at = drive(climb, (limit) => 640 * Math.min(limit, 32), 5000);
  t.ok(climb.limit >= 24, `first ${climb.limit}`);
  // The way got shorter: a few keep the thread at work, and each further one makes it slower.
  const luck = chance(1, 0.3);
  drive(climb, (limit) => 64_000 * luck() * (1 - limit / 200), 20_000, { from: at, work: () => 0.99 });
  t.equal(climb.limit, 4);
});

t.test('a thread that others keep at work does not starve a storage that was slow before', async (t) => {
  const climb = new HillClimb({ start: 4, most: 64 });
  const at = drive(climb, () => 640, 5000);
  t.ok(climb.limit <= 2, `first ${climb.limit}`);
  drive(climb, (limit) => 640 * limit, 5000, { from: at, work: () => 1 });
  t.equal(climb.limit, 4);
});

t.test('never below one, never above the most', async (t) => {
  const climb = new HillClimb({ start: 4, most: 6 });
  for (let at = 0; at < 1000; at += 1) {
    climb.ended({ at: at * 100, bytes: 0, busy: at % 3 === 0, full: true, worked: 0 });
    t.ok(climb.limit >= 1 && climb.limit <= 6);
  }
});
