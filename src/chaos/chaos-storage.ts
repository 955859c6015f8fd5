import type { RetrierOptions } from '../vast/retry.ts';
import type { ObjectStore, RequestOptions, Storage } from '../vast/store.ts';
import { ChaosStore } from './chaos-store.ts';
import type { Steps } from './kill-switch.ts';
import { StoreFaults, type StorePlan } from './store-faults.ts';

/** A storage whose LSUs meet the faults of a plan; see {@link ChaosStore}. Closing it closes the one below. */
export class ChaosStorage implements Storage {
  readonly name: string;
  readonly verify?: NonNullable<Storage['verify']>;
  readonly flow: Storage['flow'];
  readonly transfers: Storage['transfers'];
  readonly snapshots?: NonNullable<Storage['snapshots']>;
  readonly openSnapshot?: NonNullable<Storage['openSnapshot']>;
  readonly vips?: NonNullable<Storage['vips']>;
  readonly space?: NonNullable<Storage['space']>;
  readonly calls?: NonNullable<Storage['calls']>;
  readonly #inner: Storage;
  readonly #plan: StorePlan;
  readonly #retry: RetrierOptions;
  readonly #steps: Steps | undefined;
  readonly #faults: StoreFaults;

  /** @param steps as for {@link StoreFaults}. */
  constructor(inner: Storage, plan: StorePlan, retry: RetrierOptions = {}, steps?: Steps) {
    this.name = inner.name;
    this.flow = inner.flow;
    this.transfers = inner.transfers;
    this.#inner = inner;
    this.#plan = plan;
    this.#retry = retry;
    this.#steps = steps;
    this.#faults = new StoreFaults(plan, retry, steps);
    const { verify, vips, space, calls, snapshots, openSnapshot } = inner;
    if (verify) this.verify = verify.bind(inner);
    if (space) this.space = space.bind(inner);
    if (calls) this.calls = calls.bind(inner);
    if (vips) this.vips = vips.bind(inner);
    if (snapshots) this.snapshots = snapshots.bind(inner);
    if (openSnapshot) {
      this.openSnapshot = async (...request) => this.#wrap(await openSnapshot.apply(inner, request));
    }
  }

  lsus(options: RequestOptions = {}): Promise<string[]> {
    return this.#faults.run({ operation: 'lsus', key: '' }, options, () => this.#inner.lsus(options));
  }

  createLsu(lsu: string, options: RequestOptions = {}): Promise<void> {
    let done = false;
    return this.#faults.run({ operation: 'create-lsu', key: lsu }, options, async () => {
      if (!done) await this.#inner.createLsu(lsu, options);
      done = true;
    });
  }

  async open(lsu: string, options: RequestOptions = {}): Promise<ObjectStore> {
    const site = { operation: 'open', key: lsu } as const;
    return this.#wrap(await this.#faults.run(site, options, () => this.#inner.open(lsu, options)));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #wrap(store: ObjectStore): ObjectStore {
    return new ChaosStore(store, this.#plan, this.#retry, this.#steps);
  }
}
