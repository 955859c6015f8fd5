import type { RetrierOptions } from '../vast/retry.ts';
import type {
  Body,
  ListOptions,
  ObjectInfo,
  ObjectStore,
  RequestOptions,
  Retention,
  StoreCapabilities,
  StoreLimits,
  Upload,
  UploadInfo,
  VersionHistory,
} from '../vast/store.ts';
import { ChaosUpload } from './chaos-upload.ts';
import type { Steps } from './kill-switch.ts';
import { flipBit, flippedCopy, type Site, StoreFaults, type StorePlan } from './store-faults.ts';

/**
 * A store that meets the faults of a plan and otherwise does what the one below does. It retries as the stores do, so a fault reaches
 * the caller only when it is final or lasts. Lists fail before their first entry or not at all: nothing is ever missing in them.
 */
export class ChaosStore implements ObjectStore {
  readonly lsu: string;
  readonly limits: StoreLimits;
  readonly capabilities: StoreCapabilities;
  readonly retention?: Retention;
  readonly history?: VersionHistory;
  readonly policy?: (options?: RequestOptions) => Promise<string | undefined>;
  readonly #inner: ObjectStore;
  readonly #faults: StoreFaults;

  /** @param retry how attempts are repeated; `{ policy: { retries: 0 } }` lets every fault through. */
  constructor(inner: ObjectStore, plan: StorePlan, retry: RetrierOptions = {}, steps?: Steps) {
    this.lsu = inner.lsu;
    this.limits = inner.limits;
    this.capabilities = inner.capabilities;
    this.#inner = inner;
    this.#faults = new StoreFaults(plan, retry, steps);
    if (inner.retention) this.retention = chaosRetention(inner.retention, this.#faults);
    if (inner.history) this.history = chaosHistory(inner.history, this.#faults);
    if (inner.policy) {
      this.policy = (options = {}) =>
        this.#faults.run({ operation: 'policy', key: '' }, options, async () => inner.policy?.(options));
    }
  }

  now(options: RequestOptions = {}): Promise<number> {
    return this.#inner.now(options);
  }

  put(key: string, body: Body, options: RequestOptions = {}): Promise<ObjectInfo> {
    return this.#faults.run({ operation: 'put', key }, options, ({ corrupt }) =>
      this.#inner.put(key, corrupt === undefined ? body : flippedCopy(body, corrupt), options),
    );
  }

  /** The source can be read once only: after a lost answer the object that was stored is the answer. */
  async putStream(key: string, source: AsyncIterable<Uint8Array>, options: RequestOptions = {}): Promise<ObjectInfo> {
    let result: ObjectInfo | undefined;
    return this.#faults.run({ operation: 'put-stream', key }, options, async ({ corrupt }) => {
      const pieces = corrupt === undefined ? source : withFlip(source, corrupt);
      result ??= await this.#inner.putStream(key, pieces, options);
      return result;
    });
  }

  read(key: string, offset: number, into: Uint8Array, options: RequestOptions = {}): Promise<void> {
    const site = { operation: 'read', key, bytes: into.byteLength } as const;
    return this.#faults.run(site, options, async ({ truncate, corrupt }) => {
      const end = truncate === undefined ? into.byteLength : Math.floor(truncate * into.byteLength);
      await this.#inner.read(key, offset, into.subarray(0, end), options);
      if (corrupt !== undefined) flipBit(into, corrupt);
    });
  }

  head(key: string, options: RequestOptions = {}): Promise<ObjectInfo | undefined> {
    return this.#faults.run({ operation: 'head', key }, options, () => this.#inner.head(key, options));
  }

  list(options: ListOptions = {}): AsyncIterable<ObjectInfo> {
    const site = { operation: 'list', key: options.prefix ?? '' } as const;
    return begin(this.#faults, site, options, () => this.#inner.list(options));
  }

  listFolders(prefix: string, options: RequestOptions = {}): AsyncIterable<string> {
    const site = { operation: 'list-folders', key: prefix } as const;
    return begin(this.#faults, site, options, () => this.#inner.listFolders(prefix, options));
  }

  delete(keys: readonly string[], options: RequestOptions = {}): Promise<void> {
    const site = { operation: 'delete', key: keys[0] ?? '' } as const;
    return this.#faults.run(site, options, () => this.#inner.delete(keys, options));
  }

  async createUpload(key: string, options: RequestOptions = {}): Promise<Upload> {
    const site = { operation: 'create-upload', key } as const;
    const upload = await this.#faults.run(site, options, () => this.#inner.createUpload(key, options));
    return new ChaosUpload(upload, this.#faults);
  }

  resumeUpload(key: string, id: string): Upload {
    return new ChaosUpload(this.#inner.resumeUpload(key, id), this.#faults);
  }

  listUploads(prefix: string, options: RequestOptions = {}): AsyncIterable<UploadInfo> {
    const site = { operation: 'list-uploads', key: prefix } as const;
    return begin(this.#faults, site, options, () => this.#inner.listUploads(prefix, options));
  }

  copy(
    from: { readonly lsu: string; readonly key: string },
    key: string,
    options: RequestOptions = {},
  ): Promise<ObjectInfo> {
    return this.#faults.run({ operation: 'copy', key }, options, () => this.#inner.copy(from, key, options));
  }
}

async function* begin<T>(
  faults: StoreFaults,
  site: Site,
  options: RequestOptions,
  list: () => AsyncIterable<T>,
): AsyncGenerator<T, undefined> {
  await faults.run(site, options, async () => undefined);
  yield* list();
}

async function* withFlip(source: AsyncIterable<Uint8Array>, share: number): AsyncGenerator<Uint8Array> {
  let first = true;
  for await (const piece of source) {
    yield* first && piece.byteLength > 0 ? flippedCopy([piece], share) : [piece];
    if (piece.byteLength > 0) first = false;
  }
}

function chaosRetention(inner: Retention, faults: StoreFaults): Retention {
  return {
    status: (options = {}) =>
      faults.run({ operation: 'lock-status', key: '' }, options, async () => inner.status(options)),
    lockedUntil: (key, options = {}) =>
      faults.run({ operation: 'locked-until', key }, options, () => inner.lockedUntil(key, options)),
    extend: (keys, until, mode, options = {}) =>
      faults.run({ operation: 'lock', key: keys[0] ?? '' }, options, () => inner.extend(keys, until, mode, options)),
  };
}

function chaosHistory(inner: VersionHistory, faults: StoreFaults): VersionHistory {
  return {
    hidden: (prefix, options = {}) =>
      begin(faults, { operation: 'hidden', key: prefix }, options, () => inner.hidden(prefix, options)),
    purge: (keys, options = {}) =>
      faults.run({ operation: 'purge', key: keys[0] ?? '' }, options, () => inner.purge(keys, options)),
  };
}
