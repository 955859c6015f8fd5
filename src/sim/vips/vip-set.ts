import type { EventLog } from '../faults/event-log.ts';
import type { S3Handler } from '../s3/handler.ts';
import type { KeyPair } from '../tls/authority.ts';
import { VipListener, type VipMode } from './vip-listener.ts';

export interface VipSetOptions {
  readonly handle: S3Handler;
  readonly log: EventLog;
  /** 0 takes any port that is free; all addresses get the same one. */
  readonly port: number;
  readonly tlsPort: number;
  /** Gives the certificate of an address; undefined: no TLS. */
  readonly certify: ((address: string) => Promise<KeyPair>) | undefined;
}

interface Vip {
  readonly http: VipListener;
  readonly https: VipListener | undefined;
  mode: VipMode;
}

const START_ATTEMPTS = 5;

/** Data addresses, all of which serve the same. */
export class VipSet {
  readonly #options: VipSetOptions;
  readonly #vips = new Map<string, Vip>();
  #port: number;
  #tlsPort: number;

  constructor(options: VipSetOptions) {
    this.#options = options;
    this.#port = options.port;
    this.#tlsPort = options.tlsPort;
  }

  /** In the order in which they came. */
  get addresses(): string[] {
    return [...this.#vips.keys()];
  }

  get ports(): { readonly http: number; readonly https: number | undefined } {
    return { http: this.#port, https: this.#options.certify === undefined ? undefined : this.#tlsPort };
  }

  isDown(address: string): boolean {
    const vip = this.#vips.get(address);
    return vip !== undefined && vip.mode !== 'up';
  }

  /** What happened at each address so far. */
  show() {
    return [...this.#vips].map(([address, { http, https, mode }]) => {
      const [plain, secure] = [http.counters, https?.counters];
      return {
        address,
        mode,
        open: plain.open + (secure?.open ?? 0),
        connections: plain.connections + (secure?.connections ?? 0),
        requests: plain.requests + (secure?.requests ?? 0),
      };
    });
  }

  /**
   * Serve these addresses. A port that is free on the first of them may be taken on another: unless
   * it was asked for, the next one is tried.
   */
  async start(addresses: readonly string[]): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        for (const address of addresses) await this.add(address);
        return;
      } catch (error) {
        const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
        const { port, tlsPort } = this.#options;
        if (!taken || attempt === START_ATTEMPTS || (port !== 0 && tlsPort !== 0)) throw error;
        await this.close();
        this.#vips.clear();
        this.#port = port;
        this.#tlsPort = tlsPort;
      }
    }
  }

  /** Serve one more address. */
  async add(address: string): Promise<void> {
    const { handle, certify } = this.#options;
    const http = new VipListener(this.#port, handle, undefined);
    const https = certify === undefined ? undefined : new VipListener(this.#tlsPort, handle, await certify(address));
    const vip: Vip = { http, https, mode: 'up' };
    this.#vips.set(address, vip);
    await http.set('up', address);
    await https?.set('up', address);
    this.#port = http.port;
    this.#tlsPort = https?.port ?? 0;
  }

  /** Bring an address down, or up again. Throws a RangeError for one that is not served. */
  async set(address: string, mode: VipMode): Promise<void> {
    const vip = this.#vips.get(address);
    if (vip === undefined) throw new RangeError(`${address} is no VIP of the simulator`);
    await vip.http.set(mode, address);
    await vip.https?.set(mode, address);
    vip.mode = mode;
    this.#options.log.add('vip', 'mode', { address, mode });
  }

  /** One address takes the place of another, whose connections break. */
  async move(from: string, to: string): Promise<void> {
    const vip = this.#vips.get(from);
    if (vip === undefined) throw new RangeError(`${from} is no VIP of the simulator`);
    if (this.#vips.has(to)) throw new RangeError(`${to} is a VIP already`);
    await this.add(to);
    this.#vips.delete(from);
    await Promise.all([vip.http.close(), vip.https?.close()]);
    this.#options.log.add('vip', 'moved', { from, to });
  }

  async close(): Promise<void> {
    const vips = [...this.#vips.values()];
    await Promise.all(vips.flatMap(({ http, https }) => [http.close(), https?.close()]));
  }
}
