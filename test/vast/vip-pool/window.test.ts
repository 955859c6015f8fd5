import fc from 'fast-check';
import t from 'tap';
import { Window } from '../../../src/vast/vip-pool/window.ts';

t.test('halves when too busy, and grows by one when all went well', async (t) => {
  const window = new Window(16);
  t.equal(window.size, 16);
  window.cut(1, 16, 16);
  t.equal(window.size, 8);
  for (let number = 2; number <= 16; number += 1) window.cut(number, 16, 16);
  t.equal(window.size, 8, 'requests that were under way at the cut say nothing new');
  for (let at = 0; at < 9; at += 1) window.grow();
  t.equal(window.size, 9);
  window.cut(17, 20, 3);
  t.equal(window.size, 1, 'half of what was really in flight');
  window.cut(21, 21, 1);
  t.equal(window.size, 1, 'never less');
});

t.test('begins with one after a restart, and doubles', async (t) => {
  const window = new Window(16);
  window.restart();
  const sizes: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const { size } = window;
    sizes.push(size);
    for (let at = 0; at < size; at += 1) window.grow();
  }
  t.same(sizes, [1, 2, 4, 8, 16]);
  window.grow();
  t.equal(window.size, 16);
});

t.test('stays between one and its bound, and reaches the bound again', async () => {
  const step = fc.constantFrom('grow', 'cut', 'restart');
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.array(step, { maxLength: 300 }), (bound, steps) => {
      const window = new Window(bound);
      for (const [at, what] of steps.entries()) {
        if (what === 'cut') window.cut(at + 1, at + 1, window.size);
        else window[what as 'grow' | 'restart']();
        if (window.size < 1 || window.size > bound) return false;
      }
      for (let at = 0; at < bound * bound; at += 1) window.grow();
      return window.size === bound;
    }),
  );
});
