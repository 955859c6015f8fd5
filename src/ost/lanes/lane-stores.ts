import type { Logger } from 'pino';
import { planLanes } from '../../config/lanes.ts';
import type { Settings } from '../../config/settings.ts';
import type { ObjectStore, Storage } from '../../vast/store.ts';
import type { VipSource } from '../../vast/vip-pool/vip-source.ts';
import type { RequestObserver } from '../request-observer.ts';
import { CONNECTIONS_PER_VIP, openServerStorage } from '../server-storage.ts';
import { figuresOf, type StorageFigures } from '../storage-figures.ts';
import type { LaneStore } from './protocol.ts';

export interface LaneStoresOptions {
  readonly settings: Settings;
  readonly observe: RequestObserver;
  /** The VIPs of a server, as the main thread knows them. */
  readonly vipsOf: (server: string) => VipSource;
  readonly log: Logger;
}

interface Server {
  readonly id: string;
  readonly storage: Storage;
  readonly stores: Map<string, Promise<ObjectStore>>;
}

/** The storages of a lane: opened from the same settings as the main thread's, with connections of their own. */
export class LaneStores {
  readonly #options: LaneStoresOptions;
  /** By what they were opened with. */
  readonly #servers = new Map<string, Server>();

  constructor(options: LaneStoresOptions) {
    this.#options = options;
  }

  async open(place: LaneStore): Promise<ObjectStore> {
    const { lsu, storageClass } = place;
    const { storage, stores } = this.#server(place);
    await storage.verify?.(lsu);
    const opening = stores.get(lsu) ?? storage.open(lsu);
    stores.set(lsu, opening);
    try {
      const store = await opening;
      return storageClass === undefined ? store : (store.inStorageClass?.(storageClass) ?? store);
    } catch (error) {
      stores.delete(lsu);
      throw error;
    }
  }

  /** How the storages of each server are doing. */
  *figures(): Generator<readonly [server: string, figures: readonly StorageFigures[]]> {
    for (const { id, storage } of this.#servers.values()) {
      yield [id, (storage.parts?.() ?? [storage]).map(figuresOf)];
    }
  }

  /** Whether system calls are with the kernel, which may hang. */
  get busy(): boolean {
    for (const [, figures] of this.figures()) if (figures.some(({ calls }) => (calls?.inFlight ?? 0) > 0)) return true;
    return false;
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#servers.values()].map(({ storage }) => storage.close()));
  }

  #server({ server: id, settings: given, vips }: LaneStore): Server {
    const key = `${id} ${JSON.stringify(given)}`;
    const known = this.#servers.get(key);
    if (known !== undefined) return known;
    const { settings, observe, vipsOf, log } = this.#options;
    const { connections_per_vip: connections = CONNECTIONS_PER_VIP } = given;
    // Lanes share what a VIP may be asked for.
    const { count } = planLanes(settings.engine.lanes);
    const own = { ...given, connections_per_vip: Math.max(1, Math.floor(connections / count)) };
    const storage = openServerStorage(
      id,
      own,
      settings,
      log.child({ server: id }),
      vips ? vipsOf(id) : undefined,
      observe,
    );
    const server = { id, storage, stores: new Map<string, Promise<ObjectStore>>() };
    this.#servers.set(key, server);
    return server;
  }
}
