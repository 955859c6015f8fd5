/** Where one data VIP listens. */
export interface VipAddress {
  /** IP address without brackets, or a name that the system resolves. */
  readonly host: string;
  /** Default: the port of the storage's URL. */
  readonly port?: number;
}

/** Says which data VIPs there are: a list, DNS, or the management API. */
export interface VipSource {
  /**
   * All VIPs of now, in any order. An empty answer counts as a failure: a pool never drops its last members for it.
   * Called once at a time.
   */
  resolve(signal: AbortSignal): Promise<readonly VipAddress[]>;
  /** How long the latest answer may be used, milliseconds; read after each {@link resolve}. Default 60,000. */
  readonly maxAgeMs?: number;
}

/** A list that never changes. */
export function fixedVips(addresses: readonly VipAddress[]): VipSource {
  return { resolve: async () => addresses, maxAgeMs: Number.POSITIVE_INFINITY };
}
