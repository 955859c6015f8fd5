import { mock } from 'node:test';
import t from 'tap';
import { ProgressLine, type ProgressNumbers } from '../../src/cli/progress.ts';

const MIB = 1024 * 1024;

interface Rig {
  readonly line: ProgressLine;
  readonly written: string[];
  at(milliseconds: number, bytes: number, more?: Partial<ProgressNumbers>): string;
}

function rig(total: number | undefined, output: { isTTY?: boolean; columns?: number } = {}): Rig {
  const written: string[] = [];
  let now = 5000;
  let numbers: ProgressNumbers = { bytes: 0, partsInFlight: 0, retries: 0 };
  const line = new ProgressLine({
    verb: 'backup',
    total,
    output: { ...output, write: (text) => written.push(text) },
    sample: () => numbers,
    now: () => now,
  });
  return {
    line,
    written,
    at: (milliseconds, bytes, more = {}) => {
      now = 5000 + milliseconds;
      numbers = { partsInFlight: 0, retries: 0, ...more, bytes };
      return line.text();
    },
  };
}

t.test('known size: share, current and mean rate, ETA', async (t) => {
  const { at } = rig(100 * MIB);
  t.equal(at(0, 0), 'backup 0 B of 100.00 MiB (0%)  0 B/s (mean 0 B/s)  0 in flight  0 retries  ETA unknown');
  t.equal(
    at(1000, 10 * MIB, { partsInFlight: 4, retries: 2 }),
    'backup 10.00 MiB of 100.00 MiB (10%)  10.00 MiB/s (mean 10.00 MiB/s)  4 in flight  2 retries  ETA 9s',
  );
  at(2000, 20 * MIB);
  at(3000, 20 * MIB);
  at(4000, 20 * MIB);
  at(5000, 20 * MIB);
  t.match(at(6000, 20 * MIB), / 0 B\/s \(mean 3\.33 MiB\/s\) .* ETA 24s$/, 'the current rate forgets');
  t.match(at(7000, 50 * MIB), /\(50%\) {2}7\.50 MiB\/s \(mean 7\.14 MiB\/s\)/, 'of the last seconds');
});

t.test('unknown size', async (t) => {
  const { at } = rig(undefined);
  t.equal(at(2000, 4 * MIB), 'backup 4.00 MiB  0 B/s (mean 2.00 MiB/s)  0 in flight  0 retries  ETA unknown');
});

t.test('an empty source, and one that grew', async (t) => {
  t.match(rig(0).at(1000, 0), /^backup 0 B of 0 B {2}0 B\/s/);
  t.match(rig(100).at(1000, 150), /150 B of 100 B \(100%\) .* ETA 0s$/);
});

t.test('long breaks between samples', async (t) => {
  const { at } = rig(undefined);
  at(0, 0);
  t.match(at(60_000, 60 * MIB), /1\.00 MiB\/s \(mean 1\.00 MiB\/s\)/);
  t.match(at(120_000, 240 * MIB), /3\.00 MiB\/s \(mean 2\.00 MiB\/s\)/);
});

t.test('on a terminal the line is redrawn in place, cut to its width, and removed', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] });
  t.teardown(() => mock.timers.reset());
  const { line, written, at } = rig(100 * MIB, { isTTY: true, columns: 20 });
  at(1000, 10 * MIB);
  mock.timers.tick(250);
  mock.timers.tick(250);
  t.strictSame(written.splice(0), ['\rbackup 10.00 MiB of\x1b[K', '\rbackup 10.00 MiB of\x1b[K']);
  line.stop();
  line.stop();
  t.strictSame(written.splice(0), ['\r\x1b[K']);
  mock.timers.tick(1000);
  t.strictSame(written, [], 'and stays away');
});

t.test('anywhere else it is silent', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] });
  t.teardown(() => mock.timers.reset());
  const { line, written } = rig(100);
  mock.timers.tick(1000);
  line.stop();
  t.strictSame(written, []);
});
