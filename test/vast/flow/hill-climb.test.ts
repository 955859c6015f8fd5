import t from 'tap';
import { type Decision, HillClimb } from '../../../src/vast/flow/hill-climb.ts';

/** Requests of 64 bytes that end one after the other, as fast as `rate` (bytes per second) says for a limit. */
function drive(climb: HillClimb, rate: (limit: number) => number, requests: number, from = 0, full = true): number {
  let at = from;
  for (let n = 0; n < requests; n += 1) {
    at += (64 / rate(climb.limit)) * 1000;
    climb.ended({ at, bytes: 64, busy: false, full });
  }
  return at;
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
  drive(climb, (limit) => 640 * Math.min(limit, 40), 20_000, at);
  t.ok(climb.limit >= 30, `then ${climb.limit}`);
});

t.test('what others limit is not judged', async (t) => {
  const decisions: Decision[] = [];
  const climb = new HillClimb({ start: 4, most: 64, onDecision: (decision) => decisions.push(decision) });
  drive(climb, () => 640, 5000, 0, false);
  t.same(decisions, []);
  t.equal(climb.limit, 4);
});

t.test('too busy: cut once for all that were in flight, and not tried again soon', async (t) => {
  const decisions: Decision[] = [];
  const climb = new HillClimb({ start: 16, most: 64, onDecision: (decision) => decisions.push(decision) });
  let at = 0;
  for (let n = 0; n < 10; n += 1) climb.ended({ at: ++at, bytes: 0, busy: true, full: true });
  t.match(decisions, [{ from: 16, to: 12, reason: 'busy' }]);
  const least = drive(climb, (limit) => 640 * limit, 2000, at);
  t.equal(climb.limit, 15, 'as far as one below the limit that was too much');
  t.ok(least > 0);
});

t.test('never below one, never above the most', async (t) => {
  const climb = new HillClimb({ start: 4, most: 6 });
  for (let at = 0; at < 1000; at += 1) {
    climb.ended({ at: at * 100, bytes: 0, busy: at % 3 === 0, full: true });
    t.ok(climb.limit >= 1 && climb.limit <= 6);
  }
});
