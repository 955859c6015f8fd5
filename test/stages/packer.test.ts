import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import t from 'tap';
import type { Chunk } from '../../src/pipeline/chunk.ts';
import { noLease } from '../../src/pipeline/lease.ts';
import {
  createPacker,
  type Holder,
  type PackerState,
  type Part,
  PRESS,
  type StoredChunk,
} from '../../src/stages/packer.ts';
import { type PartPlanOptions, planParts } from '../../src/stages/part-planner.ts';
import { countingLease } from '../support/chunks.ts';
import { promise } from '../support/promise.ts';
import { closed } from '../support/turns.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const TIB = 1024 * GIB;

/** A chunk whose pieces only have lengths: enough for the packer, and no memory. */
function fakeChunk(index: number, offset: number, length: number, stored: readonly number[]): Chunk {
  return {
    index,
    offset,
    length,
    pieces: stored.map((byteLength) => ({ byteLength }) as Uint8Array),
    lease: noLease,
    leaves: new Uint8Array(0),
  };
}

async function pack(options: PartPlanOptions, chunks: Iterable<Chunk>, firstFragment?: number): Promise<Part[]> {
  const start = firstFragment ? { fragment: firstFragment, number: 1, offset: 0, fillTo: 0, held: [] } : undefined;
  const packer = createPacker({ plan: planParts(options), start });
  Readable.from(chunks).pipe(packer);
  return (await packer.toArray()) as Part[];
}

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

/** What every sequence of parts must fulfil, given the chunks that went in. */
function checkParts(options: PartPlanOptions, parts: readonly Part[], chunks: readonly Chunk[], first = 1): void {
  const plan = planParts(options);
  const fragments = Map.groupBy(parts, ({ fragment }) => fragment);
  assert.deepEqual(
    [...fragments.keys()],
    Array.from({ length: fragments.size }, (_, nth) => first + nth),
  );
  const longest = Math.max(0, ...chunks.map(({ pieces }) => sum(pieces.map(({ byteLength }) => byteLength))));
  for (const [fragment, members] of fragments) {
    assert.ok(members.length <= options.maxParts);
    let offset = 0;
    for (const [nth, part] of members.entries()) {
      assert.deepEqual([part.number, part.offset], [nth + 1, offset]);
      assert.equal(part.size, sum(part.pieces.map(({ byteLength }) => byteLength)));
      assert.equal(part.size, sum(part.chunks.map(({ storedLength }) => storedLength)));
      assert.ok(part.size > 0);
      assert.ok(part.size < plan.target(part.number) + longest);
      if (nth < members.length - 1) assert.ok(part.size >= Math.max(options.minPartBytes, plan.target(part.number)));
      if (part.whole) assert.equal(members.length, 1, 'the only part of its fragment');
      for (const chunk of part.chunks) {
        assert.ok(chunk.fragment === fragment && chunk.storedOffset === offset);
        offset += chunk.storedLength;
      }
    }
    assert.ok(offset <= options.maxFragmentBytes);
  }
  const stored = parts.flatMap((part) => part.chunks);
  assert.equal(stored.length, chunks.length);
  for (const [nth, { index, offset, length, storedLength }] of stored.entries()) {
    const chunk = chunks[nth] as Chunk;
    assert.ok(index === chunk.index && offset === chunk.offset && length === chunk.length);
    assert.equal(storedLength, sum(chunk.pieces.map(({ byteLength }) => byteLength)));
  }
}

t.test('property: parts and fragments keep every bound of the store', async (t) => {
  const options = fc
    .record({
      partBytes: fc.integer({ min: 1, max: 300 }),
      minPartBytes: fc.integer({ min: 1, max: 50 }),
      more: fc.nat(500),
      maxParts: fc.integer({ min: 1, max: 12 }),
      maxFragmentBytes: fc.integer({ min: 40, max: 3000 }),
    })
    .map(({ more, ...rest }) => ({ ...rest, maxPartBytes: rest.minPartBytes + more }));
  const lengths = fc.array(fc.tuple(fc.integer({ min: 1, max: 35 }), fc.nat(5)), { maxLength: 150 });
  const run = async (given: PartPlanOptions, stored: [number, number][], first: number): Promise<void> => {
    let offset = 0;
    const chunks = stored.map((pieces, index) => {
      const chunk = fakeChunk(index, offset, 64, pieces);
      offset += 64;
      return chunk;
    });
    checkParts(given, await pack(given, chunks, first), chunks, first);
  };
  await t.resolves(
    fc.assert(fc.asyncProperty(options, lengths, fc.integer({ min: 1, max: 5 }), run), { numRuns: 500 }),
  );
});

t.test('5 TB become few fragments of at most 10,000 parts', async (t) => {
  promise({
    row: 'limits',
    promise: '5 TB become few fragments within 10,000, or 1,000, parts and 1 TB objects',
    fault: '5 TB without bytes, stores with various limits',
  });
  const size = 5e12;
  const cases: [name: string, options: PartPlanOptions, fragments: number][] = [
    [
      'S3 and 8 GiB of memory',
      {
        partBytes: 64 * MIB,
        maxPartBytes: 2 * GIB,
        minPartBytes: 5 * MIB,
        maxParts: 10_000,
        maxFragmentBytes: 5 * TIB,
      },
      1,
    ],
    [
      'fragments of 1 TB, 512 MiB of memory',
      { partBytes: 64 * MIB, maxPartBytes: 128 * MIB, minPartBytes: 5 * MIB, maxParts: 10_000, maxFragmentBytes: 1e12 },
      6,
    ],
    [
      'a store with 1,000 parts',
      { partBytes: 64 * MIB, maxPartBytes: 2 * GIB, minPartBytes: 5 * MIB, maxParts: 1000, maxFragmentBytes: 5 * TIB },
      5,
    ],
    [
      'a directory',
      { partBytes: 64 * MIB, maxPartBytes: 128 * MIB, minPartBytes: 1, maxParts: 1_000_000, maxFragmentBytes: 1e12 },
      6,
    ],
  ];
  for (const [name, options, most] of cases) {
    const chunks: Chunk[] = [];
    // Larger chunks where parts are large: the same plan in less time.
    const chunkBytes = options.maxPartBytes > GIB ? 512 * MIB : 64 * MIB;
    for (let offset = 0; offset < size; offset += chunkBytes) {
      const length = Math.min(chunkBytes, size - offset);
      chunks.push(fakeChunk(chunks.length, offset, length, [length]));
    }
    const parts = await pack(options, chunks);
    checkParts(options, parts, chunks);
    const fragments = parts.at(-1)?.fragment ?? 0;
    t.ok(fragments <= most, `${name}: ${fragments} fragments, ${parts.length} parts`);
  }
});

t.test('exactly 10,000 parts, and one more', async (t) => {
  promise({
    row: '10',
    promise: 'Exactly 10,000 parts are one fragment; one more begins another',
    fault: '10,000 and 10,001 parts of 5 MiB that memory lets not grow, without bytes',
  });
  const part = 5 * MIB;
  const options = { partBytes: part, maxPartBytes: part, minPartBytes: part, maxParts: 10_000, maxFragmentBytes: TIB };
  for (const [count, fragments] of [
    [10_000, 1],
    [10_001, 2],
  ] as const) {
    const chunks = Array.from({ length: count }, (_, at) => fakeChunk(at, at * part, part, [part]));
    const parts = await pack(options, chunks);
    checkParts(options, parts, chunks);
    t.equal(parts.length, count);
    t.equal(parts.at(-1)?.fragment, fragments);
  }
});

t.test('a part is sent as soon as its target is reached; only a lone last one is whole', async (t) => {
  const options = { partBytes: 10, maxPartBytes: 10, minPartBytes: 1, maxParts: 100, maxFragmentBytes: 1000 };
  const lengths = async (...stored: number[]): Promise<[number, boolean][]> =>
    (
      await pack(
        options,
        stored.map((length, index) => fakeChunk(index, index, 1, [length])),
      )
    ).map(({ size, whole }) => [size, whole]);
  t.strictSame(await lengths(), []);
  t.strictSame(await lengths(3), [[3, true]]);
  t.strictSame(await lengths(3, 3), [[6, true]]);
  t.strictSame(await lengths(10), [[10, false]], 'it was sent before the end was known');
  t.strictSame(await lengths(9, 9, 5, 4), [
    [18, false],
    [9, false],
  ]);
});

t.test('the pieces and leases of the chunks are handed on as they are', async (t) => {
  const plan = planParts({ partBytes: 100, maxPartBytes: 100, minPartBytes: 1, maxParts: 9, maxFragmentBytes: 1000 });
  const packer = createPacker({ plan });
  const leases = [countingLease(), countingLease()];
  const pieces = [Buffer.from('a'), Buffer.from('bc'), Buffer.from('def')] as const;
  const leaves = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)] as const;
  packer.write({ ...fakeChunk(0, 0, 3, []), pieces: [pieces[0], pieces[1]], lease: leases[0], leaves: leaves[0] });
  packer.write({ ...fakeChunk(1, 3, 3, []), pieces: [pieces[2]], lease: leases[1], leaves: leaves[1] });
  packer.end();
  const [part] = (await packer.toArray()) as Part[];
  t.ok(part?.pieces.every((piece, nth) => piece === pieces[nth]));
  t.ok(part?.leases.every((lease, nth) => lease === leases[nth]));
  t.ok(part?.chunks.every((chunk, nth) => chunk.leaves === leaves[nth]));
  t.strictSame(
    leases.map(({ released }) => released),
    [0, 0],
  );
});

t.test('a chunk that no fragment can hold, and one without digests', async (t) => {
  const options = { partBytes: 10, maxPartBytes: 10, minPartBytes: 1, maxParts: 5, maxFragmentBytes: 20 };
  const failure = async (chunk: Chunk): Promise<unknown> => {
    const packer = createPacker({ plan: planParts(options) });
    const errors: unknown[] = [];
    packer.on('error', (error) => errors.push(error));
    packer.resume();
    packer.write(fakeChunk(0, 0, 1, [4]));
    packer.write(chunk);
    await closed(packer);
    return errors[0];
  };
  t.match(await failure(fakeChunk(1, 1, 21, [21])), {
    code: 'VOST_CHUNK_TOO_LARGE',
    failure: 'usage',
    message: /21 bytes/,
    advice: /chunk size/,
  });
  const { leaves: _, ...bare } = fakeChunk(1, 1, 1, [1]);
  t.match(await failure(bare), { code: 'VOST_NO_DIGEST', failure: 'internal' });
});

const OPTIONS = { partBytes: 20, maxPartBytes: 20, minPartBytes: 10, maxParts: 100, maxFragmentBytes: 1000 };

/** Puts chunks away in memory. */
class FakeHolder implements Holder<number> {
  readonly runs: (readonly StoredChunk[])[] = [];
  async put(chunks: readonly StoredChunk[]): Promise<number> {
    this.runs.push(chunks);
    return this.runs.length - 1;
  }
  chunksOf(run: number): readonly StoredChunk[] {
    return this.runs[run] ?? [];
  }
  async load(runs: readonly number[]): Promise<{ pieces: Uint8Array[]; lease: typeof noLease }> {
    const pieces = runs.map((run) => ({
      byteLength: sum((this.runs[run] ?? []).map(({ storedLength }) => storedLength)),
    }));
    return { pieces: pieces as Uint8Array[], lease: noLease };
  }
}

t.test('pressed, a packer lets go of what is in memory: as a part, or into the holder', async (t) => {
  const holder = new FakeHolder();
  const states: PackerState[] = [];
  const packer = createPacker<number>({
    plan: planParts(OPTIONS),
    minPartBytes: 10,
    holder,
    onChange: (state) => states.push(state),
  });
  const chunks = [4, 3, 3, 12, 1].map((length, index) => fakeChunk(index, index, 1, [length]));
  const leases = chunks.map(() => countingLease());
  const items = chunks.map((chunk, nth) => ({ ...chunk, lease: leases[nth] ?? noLease }));
  const [a, b, c, d, e] = items as [Chunk, Chunk, Chunk, Chunk, Chunk];
  for (const item of [PRESS, a, PRESS, b, PRESS, PRESS, c, PRESS, d, PRESS, e]) packer.write(item);
  packer.end();
  const parts = (await packer.toArray()) as Part[];
  t.strictSame(
    holder.runs.map((run) => run.map(({ index }) => index)),
    [[0], [1]],
  );
  t.strictSame(
    parts.map(({ number, offset, size, pieces }) => [number, offset, size, pieces.map(({ byteLength }) => byteLength)]),
    [
      [1, 0, 10, [4, 3, 3]],
      [2, 10, 12, [12]],
      [3, 22, 1, [1]],
    ],
  );
  t.strictSame(
    leases.map(({ released }) => released),
    [1, 1, 0, 0, 0],
    'what was put away needs no memory any more',
  );
  t.strictSame(states.at(-1), { taken: 5, parts: 3, loose: 0 });
  checkParts({ ...OPTIONS, partBytes: 10 }, parts, chunks);
});

t.test('a packer goes on where another stopped, with small parts until it has replaced what was sent', async (t) => {
  const holder = new FakeHolder();
  holder.runs.push([
    { ...fakeChunk(7, 7, 1, []), fragment: 9, storedOffset: 99, storedLength: 6, leaves: Buffer.alloc(0) },
  ]);
  const start = { fragment: 2, number: 4, offset: 50, fillTo: 5, held: [0] };
  const packer = createPacker<number>({ plan: planParts(OPTIONS), minPartBytes: 10, holder, start });
  for (let index = 8; index < 15; index += 1) packer.write(fakeChunk(index, index, 1, [6]));
  packer.end();
  const parts = (await packer.toArray()) as Part[];
  t.strictSame(
    parts.map(({ fragment, number, offset, size }) => [fragment, number, offset, size]),
    [
      [2, 4, 50, 12],
      [2, 5, 62, 12],
      [2, 6, 74, 24],
    ],
  );
  t.strictSame(
    parts.flatMap((part) => part.chunks.map(({ index, fragment, storedOffset }) => [index, fragment, storedOffset])),
    Array.from({ length: 8 }, (_, nth) => [7 + nth, 2, 50 + 6 * nth]),
  );
});

t.test('a part has no more chunks than it may, and a fragment ends when they are less than a part', async (t) => {
  const packer = createPacker({ plan: planParts(OPTIONS), minPartBytes: 10, maxChunks: 3 });
  for (const [index, length] of [1, 1, 1, 4, 4, 4, 20].entries()) packer.write(fakeChunk(index, index, 1, [length]));
  packer.end();
  t.strictSame(
    ((await packer.toArray()) as Part[]).map(({ fragment, number, size, whole }) => [fragment, number, size, whole]),
    [
      [1, 1, 3, true],
      [2, 1, 12, false],
      [2, 2, 20, false],
    ],
  );
});
