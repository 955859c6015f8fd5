import t from 'tap';
import { type Network, send } from './endpoints-model.ts';

const MB = 1e6;
const STATIC = [1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64];

const networks: Readonly<Record<string, Network>> = {
  'a fast LAN': {
    link: 2500 * MB,
    roundTripMs: 0.3,
    connection: 800 * MB,
    vips: [3000 * MB, 3000 * MB, 3000 * MB, 3000 * MB],
    crowd: { from: 16, loss: 0.02 },
  },
  '20 ms away': { link: 1200 * MB, roundTripMs: 20, connection: 100 * MB, vips: [3000 * MB, 3000 * MB] },
  'a server that takes twelve requests': {
    link: 10_000 * MB,
    roundTripMs: 5,
    connection: 100 * MB,
    vips: [3000 * MB, 3000 * MB],
    most: 12,
  },
  'one slow VIP of four': {
    link: 5000 * MB,
    roundTripMs: 1,
    connection: 200 * MB,
    vips: [600 * MB, 600 * MB, 600 * MB, 30 * MB],
  },
  'a disk that likes one at a time': {
    link: 300 * MB,
    roundTripMs: 1,
    connection: 300 * MB,
    vips: [300 * MB],
    crowd: { from: 1, loss: 0.1 },
  },
};

for (const [name, network] of Object.entries(networks)) {
  t.test(`${name}: at least 0.9 of the best fixed number, found out on the way`, async (t) => {
    let best = { limit: 0, goodput: 0 };
    for (const limit of STATIC) {
      const { goodput } = await send(network, 300, limit);
      if (goodput > best.goodput) best = { limit, goodput };
    }
    for (const seed of [1, 2, 3]) {
      const { goodput, limit, decisions } = await send(network, 1000, undefined, seed);
      const share = goodput / best.goodput;
      t.ok(share >= 0.9, `seed ${seed}: ${share.toFixed(3)} of what ${best.limit} in flight move; now ${limit}`);
      t.ok(decisions.length > 2, 'it was found out, not guessed');
    }
  });
}

t.test('a slow VIP gets little, and gets it again when it is well', async (t) => {
  const slow = await send(
    { ...networks['one slow VIP of four'], vips: [600 * MB, 600 * MB, 600 * MB, 30 * MB] } as Network,
    400,
    24,
  );
  t.ok((slow.requests[3] ?? 0) < 40, `${slow.requests}`);
  t.ok((slow.requests[3] ?? 0) > 1, 'it is not forgotten');
  const well = await send(
    { ...networks['one slow VIP of four'], vips: [600 * MB, 600 * MB, 600 * MB, 600 * MB] } as Network,
    400,
    24,
  );
  t.ok(Math.min(...well.requests) > 80, `as many as the others: ${well.requests}`);
});
