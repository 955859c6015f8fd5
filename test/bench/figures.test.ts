import t from 'tap';
import { parseOptions } from '../../bench/options.ts';
import { BLOCK_BYTES, type DataKind, GeneratedSource } from '../../bench/source.ts';
import { median, medianInterval, spread } from '../../bench/statistics.ts';

t.test('median and spread', async (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 2, 3]), 2.5);
  t.ok(Number.isNaN(median([])));
  t.equal(spread([1.234]), '1.23');
  t.equal(spread([2, 1, 10]), '2.00 [1.00-10.00]');
});

t.test('where the median of very many values would lie', async (t) => {
  const ascending = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
  // As tables of the sign test have it: the fourth and the twelfth of 15, the tenth and the twenty-first of 30.
  t.same(medianInterval(ascending(15).reverse()), [4, 12]);
  t.same(medianInterval(ascending(30)), [10, 21]);
  t.same(medianInterval(ascending(6)), [1, 6]);
  t.same(medianInterval(ascending(5)), [1, 5], 'not enough values for 95 %: their extremes');
  t.same(medianInterval([7]), [7, 7]);
});

t.test('only what was measured whole gets into the page', async (t) => {
  t.match(parseOptions([]), { runs: 5, write: true, table: true, memory: true, verify: true });
  t.match(parseOptions(['--quick']), { runs: 1, write: false });
  t.match(parseOptions(['--only', 'memory']), { memory: true, table: false, verify: false, write: true });
  t.match(parseOptions(['--only', 'looking']), { looking: true, memory: false, handOver: false, write: true });
  for (const args of [['--filter', 's3'], ['--profile', 'dir'], ['--no-write']]) {
    t.equal(parseOptions(args).write, false, args[0] ?? '');
  }
  for (const args of [['--runs', '0'], ['--size', 'much'], ['--only', 'this'], ['--what'], ['word']]) {
    t.throws(() => parseOptions(args), args.join(' '));
  }
});

t.test('every block of the source carries its number, in either order', async (t) => {
  const bytes = 40 * BLOCK_BYTES + 512;
  for (const kind of ['random', 'text', 'tar'] satisfies DataKind[]) {
    const source = await GeneratedSource.create(kind);
    let next = 0;
    for (const { offset, data } of source.sequential(bytes)) {
      if (offset !== next || data.readBigUInt64LE() !== BigInt(offset / BLOCK_BYTES)) t.fail(`${kind} at ${offset}`);
      next += data.length;
    }
    t.equal(next, bytes, kind);
  }
  const source = await GeneratedSource.create('random');
  const offsets = [...source.shuffled(bytes)].map(({ offset }) => offset);
  t.equal(offsets[0], 7 * BLOCK_BYTES);
  t.same(
    offsets.sort((a, b) => a - b),
    Array.from({ length: 41 }, (_, at) => at * BLOCK_BYTES),
  );
});
