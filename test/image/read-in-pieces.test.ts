import fc from 'fast-check';
import t from 'tap';
import { inPieces } from '../../src/image/read-in-pieces.ts';

const MIB = 2 ** 20;
const { signal } = new AbortController();

t.test('every byte once, in whole leaves', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 300 * MIB }), fc.integer({ min: 1, max: 80 }), async (length, mib) => {
      const pieces: [number, number][] = [];
      await inPieces(length, mib * MIB, signal, async (from, to) => {
        pieces.push([from, to]);
      });
      let end = 0;
      for (const [from, to] of pieces) {
        if (from !== end || to <= from || to - from > mib * MIB || from % MIB !== 0) return false;
        end = to;
      }
      return end === length;
    }),
  );
  t.pass('and none is larger than was said');
});

t.test('when one fails the others are stopped and waited for', async (t) => {
  let touching = 0;
  const failure = new Error('no');
  const read = async (from: number, _: number, signal: AbortSignal): Promise<void> => {
    if (from === 16 * MIB) throw failure;
    touching += 1;
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => setImmediate(resolve)));
    touching -= 1;
    throw new Error('stopped');
  };
  await t.rejects(inPieces(64 * MIB, 16 * MIB, signal, read), failure);
  t.equal(touching, 0);
});
