import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { collector } from '../../src/vendor-stages/collect.ts';

t.test('memory that was dropped is given back', async (t) => {
  const collect = collector();
  let dropped: WeakRef<object> | undefined = new WeakRef({ bytes: new Uint8Array(1024) });
  await new Promise(setImmediate);
  collect();
  t.equal(dropped?.deref(), undefined);
  dropped = undefined;
});

t.test('threads that ask for it at the same moment all get it', async (t) => {
  const module = JSON.stringify(new URL('../../src/vendor-stages/collect.ts', import.meta.url));
  const code = `import(${module}).then(({ collector }) => {
    for (let at = 0; at < 200; at += 1) collector();
  });`;
  const threads = Array.from({ length: 4 }, () => new Worker(code, { eval: true }));
  const ends = await Promise.all(threads.map((thread) => once(thread, 'exit')));
  t.same(ends.flat(), [0, 0, 0, 0]);
});
