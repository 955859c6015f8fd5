import assert from 'node:assert/strict';
import { test } from 'node:test';
import stage from '../index.js';
import { Pace } from '../pace.js';
import { parseRate, parseWindows, rateAt } from '../schedule.js';

const MIB = 2 ** 20;

test('rates', () => {
  assert.equal(parseRate('200M'), 200 * MIB);
  assert.equal(parseRate('1.5G'), 1536 * MIB);
  assert.equal(parseRate(1_048_576), MIB);
  assert.equal(parseRate('unlimited'), undefined);
  for (const bad of ['1K', '0', '-1M', 'fast', '1e9', '', '1MB']) assert.throws(() => parseRate(bad), /must be/, bad);
});

test('windows: days, nights, the first that fits', () => {
  const windows = parseWindows('mon-fri 08:00-18:00 10M; sat,sun 00:00-24:00 unlimited; fri-mon 22:00-06:00 20M');
  // 2026-11-16 is a Monday.
  const at = (day, hour, minute = 0) => rateAt(windows, 5 * MIB, new Date(2026, 10, day, hour, minute));
  assert.equal(at(16, 8), 10 * MIB);
  assert.equal(at(16, 7, 59), 5 * MIB);
  assert.equal(at(16, 18), 5 * MIB);
  assert.equal(at(21, 12), undefined, 'Saturday');
  assert.equal(at(20, 23), 20 * MIB, 'Friday night');
  assert.equal(at(17, 5, 59), 20 * MIB, 'what began on Monday');
  assert.equal(at(17, 6), 5 * MIB);
  assert.equal(at(18, 23), 5 * MIB, 'Wednesday night');
  for (const bad of [
    'mon 08:00 10M',
    'day 08:00-10:00 10M',
    'mon 25:00-26:00 1M',
    'mon 08:60-09:00 1M',
    'mon 08:00-08:00 1M',
    'mon 08:00-09:00 slow',
  ])
    assert.throws(() => parseWindows(bad), bad);
});

/** Time that passes only while somebody sleeps. */
function clockOf() {
  const clock = {
    time: 0,
    now: () => clock.time,
    sleep: async (ms) => {
      clock.time += ms;
    },
  };
  return clock;
}

test('all who use it share the rate, in their order', async () => {
  const clock = clockOf();
  const pace = new Pace(clock);
  const passed = [];
  const signal = new AbortController().signal;
  await Promise.all(
    Array.from({ length: 10 }, (_, nth) =>
      pace.pass(10 * MIB, () => 10 * MIB, signal).then(() => passed.push([nth, clock.time])),
    ),
  );
  assert.deepEqual(
    passed.map(([nth]) => nth),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
  // 100 MiB at 10 MiB/s, of which the first second is there at once and the last chunk is not waited for.
  assert.equal(clock.time, 8000);
});

test('a new rate counts at once, and whoever gives up takes nothing', async () => {
  const clock = clockOf();
  const pace = new Pace(clock);
  const signal = new AbortController().signal;
  const rate = () => (clock.time < 3000 ? MIB : undefined);
  await pace.pass(1000 * MIB, rate, signal);
  await pace.pass(MIB, rate, signal);
  assert.equal(clock.time, 3000);
  const other = new Pace(clock);
  await other.pass(1000 * MIB, () => 1000 * MIB, AbortSignal.abort());
  await other.pass(MIB, () => MIB, signal);
  assert.equal(clock.time, 3000);
});

test('whoever gives up does not wait for its turn', async () => {
  const turn = Promise.withResolvers();
  const pace = new Pace({ now: () => 0, sleep: () => turn.promise });
  const { signal } = new AbortController();
  await pace.pass(1000 * MIB, () => MIB, signal);
  // This one is slept for, for ever.
  void pace.pass(1000 * MIB, () => MIB, signal);
  const stop = new AbortController();
  const waiting = pace.pass(MIB, () => MIB, stop.signal);
  stop.abort();
  await waiting;
});

test('a chunk that waits for most of an hour passes', async () => {
  const clock = clockOf();
  const pace = new Pace(clock);
  const signal = new AbortController().signal;
  const all = Array.from({ length: 3 }, () => pace.pass(10_000 * MIB, () => MIB, signal));
  await Promise.all(all);
  assert.equal(clock.time, 50 * 60_000);
});

test('options', async () => {
  const check = (value) => stage.optionsSchema['~standard'].validate(value);
  const { value: options } = check({ rate: '1G', windows: 'mon 08:00-09:00 10M' });
  assert.deepEqual(check(options), { value: options });
  assert.match(check({ rate: 'x' }).issues[0].message, /must be unlimited/);
  assert.match(check({ windows: 'x' }).issues[0].message, /is not DAYS HH:MM-HH:MM RATE/);
  const { signal } = new AbortController();
  assert.equal(await stage.observe(new Uint8Array(1), { length: 10 }, { options: check({}).value, signal }), null);
});
