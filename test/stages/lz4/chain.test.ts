import t from 'tap';
import { ChainModel, type Mode, type World, type Written } from './chain-model.ts';

/** What an engine that has written to the storage before makes of an image of 2 GiB. */
function write(mode: Mode, world: World): Written & { readonly decisions: number } {
  const chain = new ChainModel(mode);
  chain.write(world, 16);
  return { ...chain.write(world, 32), decisions: chain.decisions.length };
}

/** MB per second as MiB. */
const LINKS = { '100 MB/s': 95, '400 MB/s': 381, 'any rate': 1200 } as const;
/** LZ4 on two processors: with nothing else to do, busy, and very busy. */
const DATA: Readonly<Record<string, Pick<World, 'speed' | 'left'>>> = {
  tar: { speed: 800, left: 0.5 },
  'tar, busy': { speed: 350, left: 0.5 },
  text: { speed: 700, left: 0.7 },
  'text, busy': { speed: 250, left: 0.7 },
  'text, very busy': { speed: 130, left: 0.7 },
};

for (const [place, link] of Object.entries(LINKS)) {
  t.test(`a storage that takes ${place}: never much slower than the better one of all and nothing`, async (t) => {
    for (const [what, data] of Object.entries(DATA)) {
      const world = { link, ...data };
      const best = Math.max(write('none', world).rate, write('lz4', world).rate);
      const auto = write('auto', world);
      t.ok(auto.rate >= 0.95 * best, `${what}: ${Math.round(auto.rate)} of ${Math.round(best)} MiB/s`);
      t.ok(auto.decisions <= 12, `${what}: ${auto.decisions} changes of mind`);
      if (link < 200) t.ok(auto.compressed > auto.chunks / 2, `${what}: compressed`);
      if (link > 1000) t.equal(auto.compressed, 0, `${what}: not compressed`);
    }
  });
}

t.test('random data is never compressed', async (t) => {
  for (const link of Object.values(LINKS)) {
    const { compressed, decisions } = write('auto', { link, speed: 3000, left: 1 });
    t.same({ compressed, decisions }, { compressed: 0, decisions: 0 });
  }
});

t.test('a mixture beats all and nothing where threads are about as fast as the link', async (t) => {
  const world = { link: LINKS['400 MB/s'], speed: 450, left: 0.5 };
  const best = Math.max(write('none', world).rate, write('lz4', world).rate);
  const { rate, compressed, chunks } = write('auto', world);
  t.ok(compressed > 0 && compressed < chunks);
  t.ok(rate > 1.1 * best, `${Math.round(rate)} instead of ${Math.round(best)} MiB/s`);
});
