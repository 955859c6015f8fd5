import type { Capacity } from '../ost/capacity.ts';
import type { StorageServer } from '../ost/storage-server.ts';
import { EVENT_TYPE } from '../ost/wire/constants.ts';
import { UNKNOWN } from '../ost/wire/kinds.ts';
import { timeOf } from './read-images.ts';
import type { Events, Lsus, Vips } from './schemas.ts';

/** How long a person waits for a storage; what is known is shown then. */
const PATIENCE_MS = 2_000;
const NAMES = new Map<number, string>(Object.entries(EVENT_TYPE).map(([name, type]) => [type, name]));

/** The LSUs, looked up when nobody did lately. */
export async function readLsus(servers: readonly StorageServer[]): Promise<Lsus> {
  const unreachable: string[] = [];
  const lists = await Promise.all(
    servers.map(async (server) => {
      const listed = await soon(server.lsus());
      if (listed === undefined) unreachable.push(server.id);
      return Promise.all((listed ?? server.lsusNow()).map((lsu) => readLsu(server, lsu)));
    }),
  );
  return { lsus: lists.flat(), unreachable };
}

async function readLsu(server: StorageServer, lsu: string): Promise<Lsus['lsus'][number]> {
  const capacity = (await soon(server.capacity(lsu))) ?? server.capacityNow(lsu);
  const bytes = (field: keyof Capacity): number | null => {
    const value = capacity?.[field] ?? UNKNOWN;
    return value === UNKNOWN ? null : Number(value);
  };
  const scrubbed = server.scrubs?.lsus.get(lsu)?.ended;
  return {
    server: server.id,
    lsu,
    where: server.whereIs(lsu),
    size: bytes('total'),
    used: bytes('used'),
    physical_size: bytes('physicalTotal'),
    physical_used: bytes('physicalUsed'),
    scrubbed: scrubbed === undefined ? null : timeOf(scrubbed),
  };
}

/** Undefined when it fails, or takes too long. */
async function soon<T>(work: Promise<T>): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), PATIENCE_MS);
  try {
    return await Promise.race([work, late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

/** The data VIPs of the servers that have some. */
export function readVips(servers: readonly StorageServer[]): Vips {
  return {
    servers: servers.flatMap((server) => {
      const pool = server.figures().find(({ vips }) => vips !== undefined)?.vips;
      if (pool === undefined) return [];
      const vips = pool.vips.map((vip) => ({
        vip: vip.vip,
        state: vip.state,
        in_flight: vip.inFlight,
        limit: vip.window,
        requests: vip.requests,
        failures: vip.failures,
        quarantines: vip.quarantines,
        last_error: vip.lastError ?? null,
      }));
      return [{ server: server.id, waiting: pool.waiting, lookup_error: pool.lookupError ?? null, vips }];
    }),
  };
}

/** The newest events of all servers. */
export function readEvents(servers: readonly StorageServer[], limit: number): Events {
  const events = servers.flatMap(({ id, events: log }) =>
    log.read(log.latest - limit, limit).map(({ sequence, time, type, lsu, image, payload }) => ({
      server: id,
      sequence,
      time: timeOf(time * 1000),
      type: NAMES.get(type) ?? String(type),
      lsu,
      image: image?.basename ?? null,
      payload,
    })),
  );
  events.sort((a, b) => b.time.localeCompare(a.time) || b.sequence - a.sequence);
  return { events: events.slice(0, limit) };
}
