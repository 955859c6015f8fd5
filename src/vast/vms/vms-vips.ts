import type { VipAddress, VipSource } from '../vip-pool/vip-source.ts';
import type { VmsClient } from './client.ts';

/** Pools change when a cluster grows; a VIP that fails is noticed by its requests. */
const AGE_MS = 300_000;

/** The data VIPs as the cluster's management tells them. */
export class VmsVips implements VipSource {
  readonly maxAgeMs = AGE_MS;
  readonly #client: VmsClient;
  readonly #pool: string | undefined;

  /** @param pool its name; all pools for data when there is none. */
  constructor(client: VmsClient, pool?: string) {
    this.#client = client;
    this.#pool = pool;
  }

  async resolve(signal: AbortSignal): Promise<readonly VipAddress[]> {
    return (await this.#client.vips(this.#pool, { signal })).map((host) => ({ host }));
  }
}
