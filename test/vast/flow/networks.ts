import type { Network } from './endpoints-model.ts';

const MB = 1e6;

/** What storages can be like. */
export const networks = {
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
  'a server faster than this machine': {
    link: 10_000 * MB,
    roundTripMs: 0.2,
    connection: 1200 * MB,
    vips: [10_000 * MB],
    thread: { rate: 1600 * MB, unrest: 0.4, loss: 0.005 },
  },
  'servers far away, which together are faster than this machine': {
    link: 10_000 * MB,
    roundTripMs: 20,
    connection: 100 * MB,
    vips: [3000 * MB, 3000 * MB],
    thread: { rate: 1200 * MB, unrest: 0.1, loss: 0.001 },
  },
  'a disk that likes one at a time': {
    link: 300 * MB,
    roundTripMs: 1,
    connection: 300 * MB,
    vips: [300 * MB],
    crowd: { from: 1, loss: 0.1 },
  },
} as const satisfies Readonly<Record<string, Network>>;
