import type { ObjectStore, RequestOptions, Storage } from './store.ts';
import type { VipPoolSnapshot } from './vip-pool/vip-pool.ts';

/**
 * A storage some of whose LSUs lie elsewhere, each in a storage of its own: buckets, and directories that are mounted. An LSU that
 * lies elsewhere is never looked for in the main storage, which may have a bucket of the same name, and it is listed without being
 * looked at: when its storage is away, the others go on.
 */
export class RoutedStorage implements Storage {
  readonly name: string;
  readonly flow: Storage['flow'];
  readonly transfers: Storage['transfers'];
  readonly vips?: () => VipPoolSnapshot;
  readonly #main: Storage;
  readonly #elsewhere: ReadonlyMap<string, Storage>;

  /** @param elsewhere by LSU; closed with this storage, as the main one is. */
  constructor(main: Storage, elsewhere: ReadonlyMap<string, Storage>) {
    this.name = main.name;
    this.flow = main.flow;
    this.transfers = main.transfers;
    this.#main = main;
    this.#elsewhere = elsewhere;
    if (main.vips) this.vips = main.vips.bind(main);
  }

  part(lsu: string): Storage {
    return this.#elsewhere.get(lsu) ?? this.#main;
  }

  parts(): readonly Storage[] {
    return [this.#main, ...this.#elsewhere.values()];
  }

  async verify(lsu?: string): Promise<void> {
    await (lsu === undefined ? this.#main : this.part(lsu)).verify?.(lsu);
  }

  async lsus(options: RequestOptions = {}): Promise<string[]> {
    const found = await this.#main.lsus(options);
    return [...new Set([...found, ...this.#elsewhere.keys()])].sort();
  }

  async createLsu(lsu: string, options: RequestOptions = {}): Promise<void> {
    await this.part(lsu).createLsu(lsu, options);
  }

  async open(lsu: string, options: RequestOptions = {}): Promise<ObjectStore> {
    return this.part(lsu).open(lsu, options);
  }

  async close(): Promise<void> {
    await Promise.all(this.parts().map((storage) => storage.close()));
  }
}
