import { inPieces } from '../../../src/image/read-in-pieces.ts';
import { Turns } from '../../../src/ost/images/turns.ts';
import { SlotGrants, SlotShare } from '../../../src/ost/slot-grants.ts';
import { planSlots, slotsAlways } from '../../../src/ost/slot-plan.ts';
import { ByteBudget } from '../../../src/pipeline/byte-budget.ts';
import { type Client, clientOf, type Network, type World } from './endpoints-model.ts';

const MIB = 2 ** 20;
const NEVER = new AbortController().signal;
/** As with the default memory budget: a half for slots that are always granted, a half for the others. */
const HALF = 256 * MIB;
/** As the plugin has it: of the longest chunks. */
const SLOT_BYTES = 64 * MIB;
const SLOTS = 128;
const SLOTS_PER_IMAGE = 8;
/** Slots that the plugin reads ahead. */
const PLUGIN_AHEAD = 7;
/** Bytes per millisecond that a host writes or reads. */
const HOST = 5e6;
/** What both processors of a machine take together for bytes, per millisecond, and for each request: 1.12 CPU-seconds per GiB with parts of 64 MiB, 1.27 with 16 MiB. */
const WORK = { write: 2e6, read: 3e6, requestMs: 1.5 } as const;

/** What does one thing after the other. */
function queueOf(world: World): (ms: number) => Promise<void> {
  let last = Promise.resolve();
  return (ms) => {
    last = last.then(() => world.sleep(ms));
    return last;
  };
}

interface Static {
  /** Size of a part, or of a request that reads, bytes. */
  readonly size: number;
  /** Parts of an image in flight, or ranges that are read at the same time. */
  readonly streams: number;
}

export interface Outcome {
  /** Bytes per second, from the first byte on. */
  readonly goodput: number;
  /** Size of the last image's parts, or of the last requests. */
  readonly size: number;
  readonly limit: number;
  readonly sizes: Client['sizes'];
}

/**
 * Write images one after the other, each of whole parts, through slots as the engine grants them.
 * @param fixed undefined: found out
 */
export async function backup(
  network: Network,
  images: number,
  bytes: number,
  fixed: Static | undefined,
  seed = 1,
): Promise<Outcome> {
  const client = clientOf(network, { auto: fixed === undefined, memory: HALF }, seed);
  const { world, flow } = client;
  const work = queueOf(world);
  const grants = new SlotGrants(new ByteBudget(HALF));
  let [size, moved] = [0, 0];
  const image = async (): Promise<void> => {
    size = fixed?.size ?? flow?.parts?.next() ?? 0;
    const { chunkBytes, partBytes, window } = planSlots({
      chunkBytes: size,
      partBytes: size,
      slotBytes: SLOT_BYTES,
      slotCount: SLOTS,
      minPartBytes: 5 * MIB,
      openWriters: 0,
      reserve: HALF,
      slotsPerImage: (SLOTS_PER_IMAGE * SLOT_BYTES) / size,
    });
    const share = new SlotShare({ slots: () => slotsAlways({ partBytes, chunkBytes }, HALF, 1) });
    const slots = new Turns(() => window);
    const streams = new Turns(() => fixed?.streams ?? 64);
    const parts: Promise<void>[] = [];
    /** Slots come back when all parts before them are stored. */
    let before: Promise<void> = Promise.resolve();
    for (let at = 0; at < bytes; at += chunkBytes) {
      await slots.mine(NEVER);
      const hold = await grants.acquire(share, chunkBytes, NEVER);
      await world.sleep(chunkBytes / HOST);
      const store = async (): Promise<void> => {
        await work(chunkBytes / WORK.write + WORK.requestMs);
        await streams.mine(NEVER);
        await client.request('part', chunkBytes);
        streams.done();
      };
      const stored = store();
      before = Promise.all([before, stored]).then(() => {
        hold.release();
        slots.done();
        moved += chunkBytes;
      });
      parts.push(before);
    }
    await Promise.all(parts);
  };
  let done = false;
  const all = (async () => {
    for (let count = 0; count < images; count += 1) await image();
    done = true;
  })();
  await world.run(() => done);
  await all;
  await client.close();
  return {
    goodput: moved / (world.now / 1000),
    size,
    limit: flow?.write?.limit ?? fixed?.streams ?? 0,
    sizes: client.sizes,
  };
}

/**
 * Read images one after the other, in order, as the plugin asks for them and the engine fetches them.
 * @param fixed undefined: found out
 */
export async function restore(
  network: Network,
  images: number,
  bytes: number,
  fixed: Static | undefined,
  seed = 1,
): Promise<Outcome> {
  const client = clientOf(network, { auto: fixed === undefined, memory: HALF }, seed);
  const { world, flow } = client;
  const work = queueOf(world);
  const grants = new SlotGrants(new ByteBudget(HALF));
  const ahead = flow?.ahead;
  let size = fixed?.size ?? 0;
  let [moved, done] = [0, false];
  const image = async (): Promise<void> => {
    const end = ahead?.begin();
    const share = new SlotShare({ slots: () => 2, smallSlots: 4 });
    const turns = new Turns(() => fixed?.streams ?? ahead?.ranges(SLOT_BYTES) ?? 1);
    const fetch = async () => {
      await turns.mine(NEVER);
      const hold = await grants.acquire(share, SLOT_BYTES, NEVER);
      const pieces = (pieceBytes: number): Promise<void> => {
        size = pieceBytes;
        return inPieces(SLOT_BYTES, pieceBytes, NEVER, async (from, to) => {
          await client.request('read', to - from);
          await work(WORK.requestMs);
        });
      };
      await (ahead === undefined ? pieces(size) : ahead.fetch(SLOT_BYTES, pieces));
      await work(SLOT_BYTES / WORK.read);
      turns.done();
      return hold;
    };
    const asked: ReturnType<typeof fetch>[] = [];
    for (let at = 0, next = 0; at < bytes; at += SLOT_BYTES) {
      for (; next < bytes && next <= at + PLUGIN_AHEAD * SLOT_BYTES; next += SLOT_BYTES) asked.push(fetch());
      const hold = await asked.shift();
      await world.sleep(SLOT_BYTES / HOST);
      hold?.release();
      moved += SLOT_BYTES;
    }
    end?.();
  };
  const all = (async () => {
    for (let count = 0; count < images; count += 1) await image();
    done = true;
  })();
  await world.run(() => done);
  await all;
  await client.close();
  return { goodput: moved / (world.now / 1000), size, limit: flow?.read?.limit ?? 0, sizes: client.sizes };
}
