import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import t from 'tap';
import type { Chunk, Run } from '../../src/pipeline/chunk.ts';
import { createChunker } from '../../src/stages/chunker.ts';
import { countingLease, noise } from '../support/chunks.ts';
import { closed } from '../support/turns.ts';

t.test('property: chunks are the runs, cut, numbered and without copies', async (t) => {
  const run = async (chunkBytes: number, lengths: number[], firstIndex: number, start: number): Promise<void> => {
    const memory = noise(lengths.reduce((sum, length) => sum + length, 0));
    let at = 0;
    const runs = lengths.map((length) => {
      const data = memory.subarray(at, at + length);
      const offset = start + at;
      at += length;
      return { offset, data, lease: countingLease() };
    });
    const chunker = createChunker({ chunkBytes, firstIndex, start });
    Readable.from(runs).pipe(chunker);
    const chunks = (await chunker.toArray()) as Chunk[];
    let position = start;
    for (const [nth, { index, offset, length, pieces }] of chunks.entries()) {
      assert.deepEqual([index, offset, pieces.length], [firstIndex + nth, position, 1]);
      assert.ok(length > 0 && length <= chunkBytes);
      const [piece] = pieces;
      assert.equal(piece?.byteLength, length);
      assert.equal(piece?.buffer, memory.buffer);
      assert.equal(piece?.byteOffset, memory.byteOffset + position - start);
      const ends = runs.some(({ offset: from, data }) => from + data.byteLength === position + length);
      assert.ok(ends || length === chunkBytes, 'only the last chunk of a run is short');
      position += length;
    }
    assert.equal(position, start + memory.byteLength);
    const held = runs.filter(({ data }) => data.byteLength > 0);
    assert.ok(held.every(({ lease }) => lease.released === 0));
    assert.ok(
      runs.every(({ data, lease }) => data.byteLength > 0 || lease.released === 1),
      'nothing holds no bytes',
    );
    for (const { lease } of chunks) lease.release();
    assert.ok(runs.every(({ lease }) => lease.released === 1));
  };
  await t.resolves(
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.nat(70), { maxLength: 10 }),
        fc.nat(5),
        fc.nat(1000),
        run,
      ),
      { numRuns: 300 },
    ),
  );
});

t.test('a run out of order is a bug upstream and is named', async (t) => {
  const chunker = createChunker({ chunkBytes: 4 });
  const run: Run = { offset: 4, data: new Uint8Array(4), lease: countingLease() };
  const errors: unknown[] = [];
  chunker.on('error', (error) => errors.push(error));
  chunker.write(run);
  await closed(chunker);
  t.match(errors, [{ code: 'VOST_ORDER', failure: 'internal' }]);
});
