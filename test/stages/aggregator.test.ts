import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { ByteBudget } from '../../src/pipeline/byte-budget.ts';
import { Chain } from '../../src/pipeline/chain.ts';
import type { Run, SourceWrite } from '../../src/pipeline/chunk.ts';
import { LeaseScope } from '../../src/pipeline/lease.ts';
import { ParallelSink } from '../../src/pipeline/parallel-sink.ts';
import { SlabPool } from '../../src/pipeline/slab-pool.ts';
import { createAggregator } from '../../src/stages/aggregator.ts';
import { noise } from '../support/chunks.ts';
import { JsBridge } from '../support/js-bridge.ts';
import { gate, turns } from '../support/turns.ts';

const PAGE = 4096;

interface RigOptions {
  readonly slabBytes: number;
  readonly window?: number;
  readonly start?: number;
  readonly budget?: number;
  /** Called with every run before its memory is released. */
  readonly consume?: (run: Run) => Promise<void> | void;
}

/** An aggregator in a chain of its own. */
class Rig {
  readonly bridge = new JsBridge();
  readonly scope = new LeaseScope();
  readonly budget: ByteBudget;
  readonly pool: SlabPool;
  readonly chain: Chain<SourceWrite>;
  readonly runs: { offset: number; bytes: Buffer }[] = [];

  constructor(options: RigOptions) {
    const { slabBytes, window = 0, start, budget = 1000 * PAGE } = options;
    this.budget = new ByteBudget(budget);
    this.pool = new SlabPool(this.bridge, this.budget);
    const { pool, scope } = this;
    const consume =
      options.consume ??
      (({ offset, data }: Run) => {
        this.runs.push({ offset, bytes: Buffer.from(data) });
      });
    const sink = new ParallelSink<Run>({
      name: 'sink',
      concurrency: () => 1,
      consume: async (run) => {
        await consume(run);
        run.lease.release();
      },
    });
    this.chain = new Chain<SourceWrite>(
      [createAggregator({ pool, slabBytes, scope, window, ...(start === undefined ? {} : { start }) }), sink],
      { onClosed: () => scope.releaseAll() },
    );
  }

  write(offset: number, data: Uint8Array): Promise<void> {
    return this.chain.write({ offset, data });
  }

  /** What came out, and proof that nothing is held any more. */
  finish(): Buffer {
    this.pool.close();
    assert.deepEqual([this.scope.size, this.budget.used, this.budget.waiting, this.bridge.liveSlabs], [0, 0, 0, 0]);
    return Buffer.concat(this.runs.map(({ bytes }) => bytes));
  }
}

/** Writes that must fail, and how. */
async function failure(promise: Promise<unknown>): Promise<EngineError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof EngineError, String(error));
    return error;
  }
  return assert.fail('there was no error');
}

/** The specification: a plain buffer and the rules in a few lines. */
class Reference {
  readonly #start: number;
  readonly #slabBytes: number;
  readonly #window: number;
  readonly #bytes: (number | undefined)[] = [];

  constructor(start: number, slabBytes: number, window: number) {
    this.#start = start;
    this.#slabBytes = slabBytes;
    this.#window = window;
  }

  get missing(): number {
    const gap = this.#bytes.indexOf(undefined);
    return this.#start + (gap < 0 ? this.#bytes.length : gap);
  }

  get sealed(): number {
    return this.missing - ((this.missing - this.#start) % this.#slabBytes);
  }

  write(offset: number, data: Uint8Array): string | undefined {
    if (offset < 0) return 'VOST_OFFSET';
    if (data.byteLength === 0) return undefined;
    if (offset < this.sealed) return 'VOST_SEALED';
    const { missing } = this;
    if (offset > missing && offset + data.byteLength > missing + this.#window) return 'VOST_WINDOW';
    const at = offset - this.#start;
    while (this.#bytes.length < at) this.#bytes.push(undefined);
    for (const [nth, byte] of data.entries()) this.#bytes[at + nth] = byte;
    return undefined;
  }

  end(): string | undefined {
    return this.missing < this.#start + this.#bytes.length ? 'VOST_GAP' : undefined;
  }

  get bytes(): Buffer {
    return Buffer.from(this.#bytes as number[]);
  }
}

t.test('property: the bytes of a reference buffer, or exactly its error', async (t) => {
  const outcomes = new Map<string, number>();
  const run = async (
    { slabBytes, window, start }: { slabBytes: number; window: number; start: number },
    steps: { from: 'missing' | 'sealed' | 'end' | 'any'; delta: number; length: number }[],
    fillUp: boolean,
  ): Promise<void> => {
    const rig = new Rig({ slabBytes, window, start });
    const reference = new Reference(start, slabBytes, window);
    let stamp = 0;
    const next = (): number => {
      stamp = (stamp + 1) & 0xff;
      return stamp;
    };
    let expected: string | undefined;
    for (const { from, delta, length } of steps) {
      const base = { missing: reference.missing, sealed: reference.sealed, end: reference.missing + window, any: 0 };
      const offset = base[from] + delta - (from === 'end' ? length : 0);
      const data = Buffer.from(Array.from({ length }, next));
      expected = reference.write(offset, data);
      const write = rig.write(offset, data);
      if (expected !== undefined) {
        assert.equal((await failure(write)).code, expected);
        break;
      }
      await write;
      data.fill(0);
    }
    if (expected === undefined && fillUp) {
      // Close all gaps, so that many runs end well.
      while (reference.end() !== undefined) {
        const data = Buffer.of(next());
        const at = reference.missing;
        reference.write(at, data);
        await rig.write(at, data);
      }
    }
    if (expected === undefined) {
      expected = reference.end();
      if (expected === undefined) await rig.chain.end();
      else assert.equal((await failure(rig.chain.end())).code, expected);
    }
    outcomes.set(expected ?? 'fine', (outcomes.get(expected ?? 'fine') ?? 0) + 1);
    const actual = rig.finish();
    if (expected === undefined) {
      assert.deepEqual(actual, reference.bytes);
      let position = start;
      for (const [nth, { offset, bytes }] of rig.runs.entries()) {
        assert.equal(offset, position, 'runs are contiguous');
        assert.ok(bytes.byteLength === slabBytes || nth === rig.runs.length - 1, 'only the last run is short');
        position += bytes.byteLength;
      }
    }
    // The open slabs, one in the aggregator's queue, one at the reader, and one that is being handed over.
    assert.ok(rig.budget.peak <= (Math.ceil(window / slabBytes) + 1 + 3) * PAGE, `${rig.budget.peak / PAGE} slabs`);
  };
  const step = fc.record({
    from: fc.oneof(
      { weight: 6, arbitrary: fc.constant('missing' as const) },
      { weight: 3, arbitrary: fc.constant('sealed' as const) },
      { weight: 4, arbitrary: fc.constant('end' as const) },
      { weight: 1, arbitrary: fc.constant('any' as const) },
    ),
    delta: fc.oneof(
      { weight: 4, arbitrary: fc.constant(0) },
      fc.integer({ min: 0, max: 12 }),
      fc.integer({ min: -3, max: 30 }),
    ),
    length: fc.oneof(fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 60 })),
  });
  const shape = fc.record({
    slabBytes: fc.integer({ min: 1, max: 17 }),
    window: fc.integer({ min: 0, max: 50 }),
    start: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 100 })),
  });
  await t.resolves(
    fc.assert(fc.asyncProperty(shape, fc.array(step, { maxLength: 25 }), fc.boolean(), run), { numRuns: 2000 }),
  );
  for (const outcome of ['fine', 'VOST_SEALED', 'VOST_WINDOW', 'VOST_GAP', 'VOST_OFFSET'])
    t.ok((outcomes.get(outcome) ?? 0) > 10, `${outcome} was met ${outcomes.get(outcome)} times`);
});

t.test('a write that closes a gap and rewrites the full slab behind it', async (t) => {
  const rig = new Rig({ slabBytes: 4, window: 20 });
  await rig.write(0, Buffer.from('ab'));
  await rig.write(4, Buffer.from('efgh'));
  await rig.write(2, Buffer.from('CDEF'));
  await rig.chain.end();
  t.equal(rig.finish().toString(), 'abCDEFgh');
});

t.test('errors say what, where, and what to do', async (t) => {
  const sealed = new Rig({ slabBytes: 4, window: 4 });
  await sealed.write(0, Buffer.from('abcdef'));
  t.match(await failure(sealed.write(2, Buffer.from('x'))), {
    code: 'VOST_SEALED',
    failure: 'usage',
    details: { offset: 2, length: 1, sealed: 4 },
  });
  const ahead = new Rig({ slabBytes: 4, window: 4 });
  await ahead.write(0, Buffer.from('ab'));
  t.match(await failure(ahead.write(5, Buffer.from('xy'))), {
    code: 'VOST_WINDOW',
    advice: /window/,
    details: { offset: 5, missing: 2, window: 4 },
  });
  const gap = new Rig({ slabBytes: 4, window: 4 });
  await gap.write(0, Buffer.from('ab'));
  await gap.write(4, Buffer.from('xy'));
  t.match(await failure(gap.chain.end()), { code: 'VOST_GAP', failure: 'usage', details: { missing: 2, end: 6 } });
  for (const offset of [-1, 0.5, Number.NaN, 2 ** 53]) {
    const rig = new Rig({ slabBytes: 4 });
    t.match(await failure(rig.write(offset, Buffer.from('x'))), { code: 'VOST_OFFSET', failure: 'usage' });
    rig.finish();
  }
  for (const rig of [sealed, ahead, gap]) rig.finish();
});

t.test('edge sizes around a slab, in sequence', async (t) => {
  const slabBytes = 64;
  const sizes = [0, 1, slabBytes - 1, slabBytes, slabBytes + 1, 2 * slabBytes - 1, 2 * slabBytes, 5 * slabBytes + 3];
  for (const first of sizes) {
    for (const second of sizes) {
      for (const third of sizes) {
        const data = noise(first + second + third, first + 7 * second + 1);
        const rig = new Rig({ slabBytes });
        let at = 0;
        for (const size of [first, second, third]) {
          await rig.write(at, data.subarray(at, at + size));
          at += size;
        }
        await rig.chain.end();
        if (!rig.finish().equals(data)) t.fail(`${first}, ${second}, ${third}`);
        if (rig.runs.length !== Math.ceil(at / slabBytes)) t.fail(`${rig.runs.length} runs`);
      }
    }
  }
  t.pass('all combinations');
});

t.test('an empty write does nothing, wherever it lies', async (t) => {
  const rig = new Rig({ slabBytes: 4 });
  await rig.write(0, Buffer.from('abcdef'));
  for (const offset of [0, 3, 6, 1_000_000]) await rig.write(offset, Buffer.alloc(0));
  await rig.chain.end();
  t.equal(rig.finish().toString(), 'abcdef');
});

t.test('a run is sealed as soon as it is full, and waits for nothing else', async (t) => {
  const rig = new Rig({ slabBytes: 4 });
  await rig.write(0, Buffer.from('abcd'));
  await turns();
  t.equal(rig.runs.length, 1);
  await rig.chain.abort(new Error('enough'));
  rig.finish();
});

t.test('one write of 1 GiB through a budget of eight slabs', async (t) => {
  const slabBytes = 1024 * 1024;
  const data = new Uint8Array(1024 * slabBytes);
  const stamps = new DataView(data.buffer);
  for (let slab = 0; slab < 1024; slab += 1) stamps.setUint32(slab * slabBytes + slab, slab + 1);
  let position = 0;
  const rig = new Rig({
    slabBytes,
    budget: 8 * slabBytes,
    consume: ({ offset, data: run }) => {
      const slab = position / slabBytes;
      const stamp = new DataView(run.buffer, run.byteOffset).getUint32(slab);
      if (offset !== position || run.byteLength !== slabBytes || stamp !== slab + 1) assert.fail(`slab ${slab}`);
      position += slabBytes;
    },
  });
  await rig.write(0, data);
  await rig.chain.end();
  t.equal(position, data.byteLength);
  t.ok(rig.bridge.peakBytes <= 8 * slabBytes);
  rig.finish();
});

t.test('a million writes of 512 bytes', async (t) => {
  const file = fileURLToPath(new URL('../support/million-writes.ts', import.meta.url));
  const { stdout } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
  t.strictSame(JSON.parse(stdout), { bytes: 512 * 1024 * 1024, same: true, held: [0, 0, 0] });
});

t.test('abort while it waits for a slab, and while the reader has stopped', async (t) => {
  for (const budget of [2 * PAGE, 100 * PAGE]) {
    const stuck = gate();
    const rig = new Rig({ slabBytes: PAGE, budget, consume: () => stuck.promise });
    const write = failure(rig.write(0, new Uint8Array(50 * PAGE)));
    await turns();
    const reason = new EngineError('VOST_INTERRUPTED', 'aborted', 'enough');
    const aborted = rig.chain.abort(reason);
    stuck.open();
    await aborted;
    t.equal(await write, reason);
    rig.finish();
  }
});
