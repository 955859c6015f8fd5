import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import t from 'tap';
import type { Run } from '../../src/pipeline/chunk.ts';
import { createSlicer } from '../../src/stages/slicer.ts';
import { chunkOf, countingLease, noise } from '../support/chunks.ts';

t.test('property: exactly the range, in order, without copies; leases end with the last piece', async (t) => {
  const run = async (shape: number[][], first: number, a: number, b: number): Promise<void> => {
    const length = shape.flat().reduce((sum, size) => sum + size, 0);
    const image = noise(length);
    let at = 0;
    const chunks = shape.map((sizes, index) => {
      const offset = first + at;
      const pieces = sizes.map((size) => {
        const piece = image.subarray(at, at + size);
        at += size;
        return piece;
      });
      const size = first + at - offset;
      return { ...chunkOf(Buffer.alloc(0), { index, offset, length: size, pieces }), lease: countingLease() };
    });
    const [start, end] = [Math.min(a, b), Math.max(a, b)];
    const slicer = createSlicer(start, end);
    Readable.from(chunks).pipe(slicer);
    const runs = (await slicer.toArray()) as Run[];
    const wanted = image.subarray(Math.max(0, start - first), Math.max(0, end - first));
    assert.ok(Buffer.concat(runs.map(({ data }) => data)).equals(wanted));
    let position = Math.max(start, first);
    for (const { offset, data } of runs) {
      assert.equal(offset, position);
      assert.ok(data.byteLength > 0 && data.buffer === image.buffer);
      position += data.byteLength;
    }
    for (const { offset, length: size, lease } of chunks) {
      const outside = Math.max(start, offset) >= Math.min(end, offset + size);
      assert.equal(lease.released, outside ? 1 : 0, 'what nobody wants is free at once');
    }
    for (const { lease } of runs) lease.release();
    assert.ok(chunks.every(({ lease }) => lease.released === 1));
  };
  await t.resolves(
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.nat(9), { maxLength: 4 }), { maxLength: 6 }),
        fc.nat(20),
        fc.nat(150),
        fc.nat(150),
        run,
      ),
      { numRuns: 500 },
    ),
  );
});
