import t from 'tap';
import type { Network } from './endpoints-model.ts';
import { backup, type Outcome, restore } from './images-model.ts';
import { networks } from './networks.ts';

const MIB = 2 ** 20;
const SIZES = [8, 16, 32, 64].map((size) => size * MIB);
const STREAMS = { backup: [4, 8, 12, 32], restore: [2, 3, 4, 6] } as const;
const IMAGE = 12_288 * MIB;
const ENDPOINTS = [
  'a fast LAN',
  '20 ms away',
  'a server that takes twelve requests',
  'one slow VIP of four',
  'a server faster than this machine',
] as const;

interface Fixed extends Outcome {
  readonly streams: number;
}

for (const name of ENDPOINTS)
  for (const [direction, run, images] of [
    ['backup', backup, 6],
    ['restore', restore, 12],
  ] as const)
    t.test(`${name}, ${direction}: at least 0.9 of the best fixed sizes, found out on the way`, async (t) => {
      const network = networks[name];
      const bests: Fixed[] = [];
      for (const size of SIZES) {
        let best: Fixed | undefined;
        for (const streams of STREAMS[direction]) {
          const outcome = await run(network, 1, IMAGE, { size, streams });
          if (best === undefined || outcome.goodput > best.goodput) best = { ...outcome, streams };
        }
        if (best !== undefined) bests.push(best);
      }
      const best = bests.reduce((a, b) => (a.goodput > b.goodput ? a : b));
      for (const { size, streams, goodput } of bests)
        t.comment(`${size / MIB} MiB, ${streams} at once: ${(goodput / 1e6).toFixed(0)} MB/s`);
      for (const seed of [1, 2, 3]) {
        const { goodput, size, limit, sizes } = await run(network, images, IMAGE, undefined, seed);
        const share = goodput / best.goodput;
        const what = `of ${best.size / MIB} MiB, ${best.streams} at once; now ${size / MIB} MiB, limit ${limit}`;
        t.ok(share >= 0.9, `seed ${seed}: ${share.toFixed(3)} ${what}, ${sizes.length} decisions`);
      }
    });

t.test('as many in flight as keep our own thread at work are enough, whatever chance says', async (t) => {
  for (const [direction, run] of [
    ['backup', backup],
    ['restore', restore],
  ] as const)
    for (const seed of [1, 2, 3, 4, 5]) {
      const { limit } = await run(networks['a server faster than this machine'], 12, IMAGE, undefined, seed);
      t.ok(limit <= 6, `${direction}, seed ${seed}: ${limit}`);
    }
});

t.test('sizes matter: what is best in one place is not in another', async (t) => {
  const [near, far] = [networks['a fast LAN'], networks['20 ms away']];
  const [large, small] = [
    { size: 64 * MIB, streams: 32 },
    { size: 8 * MIB, streams: 32 },
  ];
  const speed = async (network: Network, fixed: typeof large): Promise<number> =>
    (await backup(network, 1, IMAGE, fixed)).goodput;
  t.ok((await speed(near, large)) > 1.2 * (await speed(near, small)), 'large parts cost less work');
  t.ok((await speed(far, small)) > 2 * (await speed(far, large)), 'small parts leave room for as many as are needed');
});
