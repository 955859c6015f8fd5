import t from 'tap';
import { type Network, send } from './endpoints-model.ts';
import { networks } from './networks.ts';

const MB = 1e6;
const STATIC = [1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64];

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
      // Where our own thread is what bounds, the first guess may be the best.
      t.ok(decisions.length > 2 || 'thread' in network, 'it was found out, not guessed');
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
