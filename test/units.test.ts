import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { formatDuration, formatSize, parseDuration, parseSize } from '../src/units.ts';

t.test('sizes', async (t) => {
  const good: [string, number][] = [
    ['0', 0],
    ['4096', 4096],
    ['1K', 1024],
    ['64M', 64 * 2 ** 20],
    ['64mb', 64 * 2 ** 20],
    ['64 MiB', 64 * 2 ** 20],
    ['1.5GiB', 1.5 * 2 ** 30],
    [' 2t ', 2 ** 41],
    ['12B', 12],
    ['0.5K', 512],
  ];
  for (const [text, bytes] of good) t.equal(parseSize(text), bytes, text);
  for (const text of [
    '',
    'M',
    '-1',
    '1,5G',
    '.5G',
    '5.',
    '1e3',
    '64iB',
    '64MM',
    '64 M B',
    '1P',
    '9007199254740993',
    '9000T',
  ])
    t.equal(parseSize(text), undefined, text);
});

t.test('durations', async (t) => {
  const good: [string, number][] = [
    ['500ms', 500],
    ['0s', 0],
    ['1.5 s', 1500],
    ['30m', 1_800_000],
    ['24h', 86_400_000],
    ['30d', 2_592_000_000],
  ];
  for (const [text, ms] of good) t.equal(parseDuration(text), ms, text);
  for (const text of ['', '5', '5 minutes', '-1s', 'h', '1M']) t.equal(parseDuration(text), undefined, text);
});

t.test('sizes for people', async (t) => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.00 KiB'],
    [1.5 * 2 ** 30, '1.50 GiB'],
    [5e12, '4.55 TiB'],
    [2 ** 53, '8192.00 TiB'],
  ];
  for (const [bytes, text] of cases) t.equal(formatSize(bytes), text);
});

t.test('durations for people', async (t) => {
  const cases: [number, string][] = [
    [0, '0s'],
    [12.4, '12s'],
    [59.6, '1m00s'],
    [185, '3m05s'],
    [3720, '1h02m'],
    [100 * 3600, '100h00m'],
  ];
  for (const [seconds, text] of cases) t.equal(formatDuration(seconds), text);
});

t.test('property: what is formatted is parsed back, to the digits shown', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 52 }), (bytes) => {
        const back = parseSize(formatSize(bytes)) ?? Number.NaN;
        assert.ok(Math.abs(back - bytes) <= bytes * 0.005, `${bytes} became ${back}`);
      }),
    ),
  );
});
