import type { Logger } from 'pino';
import type { Compression } from '../config/compression.ts';
import { DEFAULT_EVENT_INTERVAL_MS } from '../config/engine-schema.ts';
import type { ServerSettings } from '../config/settings.ts';
import type { Streams } from '../config/streams.ts';
import { EngineError } from '../errors.ts';
import type { LockBounds, LockPolicy } from '../image/image-lock.ts';
import type { StageReport } from '../stage-api/index.ts';
import type { ObjectStore, Storage } from '../vast/store.ts';
import { noSuchLsu } from '../vast/store-errors.ts';
import type { VipSource } from '../vast/vip-pool/vip-source.ts';
import { Aged, type Clock } from './aged.ts';
import { type Capacity, capacityOf, readCapacity } from './capacity.ts';
import type { Cluster } from './cluster.ts';
import { invalid } from './errors.ts';
import { CapacityWatch } from './events/capacity-watch.ts';
import { ClusterEvents } from './events/cluster-events.ts';
import type { EventLog } from './events/event-log.ts';
import { Watch } from './events/watch.ts';
import type { FoundKeys } from './found-keys.ts';
import type { ImagePlace } from './images/open-image.ts';
import { readLabel, writeLabel } from './lsu-label.ts';
import { LsuLocks } from './lsu-locks.ts';
import type { Rotations } from './rotations.ts';
import { ScrubFigures } from './scrub-figures.ts';
import type { StorageSettings } from './server-storage.ts';
import { SnapshotKeeper } from './snapshot-keeper.ts';
import { figuresOf, mergeFigures, type StorageFigures } from './storage-figures.ts';
import { EVENT_TYPE } from './wire/constants.ts';
import { within } from './within.ts';

/** What NetBackup puts before the names of our storage servers. */
export const SERVER_PREFIX = 'VastData:';

/** How old a list of LSUs, a label or a capacity may be when it is answered, milliseconds; the second age counts when the storage does not answer. */
const YOUNG_MS = 30_000;
const STALE_MS = 600_000;
/** Capacity moves while images are written, and hosts look at it. */
const CAPACITY_YOUNG_MS = 5_000;

/** How long a poll waits for a directory: the NFS server behind a mount may hang. Milliseconds. */
const POLL_MS = 5_000;
/** And for an answer from memory, when it has waited for so long already. */
const MEMORY_MS = 100;

/** How often is looked whether an LSU fills up; the cluster's figures are as old as that anyway. */
const WATCH_MS = 60_000;

/** What CONFIG_SET may change, until the engine restarts. */
export interface Tuning {
  compression: Compression;
  parallelStreams: Streams;
}

interface Lsu {
  readonly store: ObjectStore;
  readonly label: Aged<string>;
  readonly locks: LsuLocks;
}

/** What other threads need to open a server's storage themselves. */
export interface StorageOrigin {
  readonly settings: StorageSettings;
  /** Who knows its VIPs; undefined where the settings do. */
  readonly vips: VipSource | undefined;
}

export interface StorageServerOptions {
  /** What follows the prefix in its name. */
  readonly id: string;
  /** `s3_credentials_file` is the file really used. */
  readonly settings: Pick<ServerSettings, 'store' | 'label'> &
    Partial<Pick<ServerSettings, 's3_credentials_file' | 'high_water' | 'event_interval' | 'scrub_interval'>>;
  readonly storage: Storage;
  /** What lanes open it with. */
  readonly origin?: StorageOrigin;
  readonly events: EventLog;
  readonly tuning: Tuning;
  /** Images of some of its LSUs are locked when they are complete. */
  readonly locksImages?: boolean;
  /** How those of an LSU are locked; undefined for not at all. */
  readonly lockPolicy?: (lsu: string) => LockPolicy | undefined;
  /** Its management, where there is one. */
  readonly cluster?: Cluster | undefined;
  /** Its credentials that are replaced on a schedule. */
  readonly rotations?: Rotations | undefined;
  /** The keys of a server that was found by its name, which come with the first use of its data. */
  readonly keys?: FoundKeys | undefined;
  /** How long a snapshot of an LSU is kept, milliseconds; undefined: none is taken. */
  readonly keepSnapshots?: ((lsu: string) => number | undefined) | undefined;
  /** Per cent of an LSU at which an event tells that it is nearly full. */
  readonly highWater: number;
  readonly log: Logger;
  /** For the age of what is answered from memory. */
  readonly now?: Clock;
}

/** One configured storage server. Polls are answered from memory: no listing, nothing is ever made. */
export class StorageServer {
  readonly id: string;
  readonly name: string;
  readonly settings: StorageServerOptions['settings'];
  readonly storage: Storage;
  readonly origin: StorageOrigin | undefined;
  readonly events: EventLog;
  readonly tuning: Tuning;
  readonly cluster: Cluster | undefined;
  readonly rotations: Rotations | undefined;
  /** How its images are verified on a schedule; undefined where they are not. */
  readonly scrubs: ScrubFigures | undefined;
  readonly locksImages: boolean;
  readonly #lockPolicy: (lsu: string) => LockPolicy | undefined;
  readonly #keys: FoundKeys | undefined;
  readonly #watches: Watch[];
  readonly #snapshots: SnapshotKeeper | undefined;
  readonly #lsus: Aged<readonly string[]>;
  /** By the name of the storage that they lie in. */
  readonly #capacity = new Map<string, Aged<Capacity>>();
  /** What lanes said of their storages last, by lane. */
  readonly #told = new Map<number, readonly StorageFigures[]>();
  readonly #now: Clock;
  /** When the storages were last found to be what they should be, by name. */
  readonly #sound = new Map<string, number>();
  /** LSUs that exist, as far as we know. */
  readonly #open = new Map<string, Promise<Lsu>>();

  constructor(options: StorageServerOptions) {
    const { id, settings, storage, events, tuning, cluster, rotations, now = () => performance.now() } = options;
    const { keepSnapshots, highWater, log } = options;
    this.id = id;
    this.name = `${SERVER_PREFIX}${id}`;
    this.settings = settings;
    this.storage = storage;
    this.origin = options.origin;
    this.events = events;
    this.tuning = { ...tuning };
    this.cluster = cluster;
    this.locksImages = options.locksImages ?? false;
    this.#lockPolicy = options.lockPolicy ?? (() => undefined);
    this.rotations = rotations;
    this.scrubs = settings.scrub_interval === undefined ? undefined : new ScrubFigures(settings.scrub_interval);
    this.#keys = options.keys;
    this.#now = now;
    this.#lsus = new Aged(() => this.#listLsus(), YOUNG_MS, STALE_MS, now);
    const capacity = (lsu: string): Promise<Capacity> => this.capacity(lsu);
    const space = new CapacityWatch({ events, lsus: () => this.lsusNow(), capacity, highWater, log });
    this.#watches = [new Watch(() => space.look(), WATCH_MS)];
    if (cluster !== undefined) {
      const told = new ClusterEvents({ client: cluster.client, events, log, since: Date.now() });
      this.#watches.push(
        new Watch((signal) => told.look(signal), settings.event_interval ?? DEFAULT_EVENT_INTERVAL_MS),
      );
    }
    if (cluster !== undefined && keepSnapshots !== undefined) {
      this.#snapshots = new SnapshotKeeper({
        client: cluster.client,
        pathOf: (lsu) => cluster.pathNow(lsu),
        keepMs: keepSnapshots,
        onTaken: (lsu, outcome) => this.#toldSnapshot(lsu, outcome),
        log,
      });
    }
  }

  /** Names of the LSUs, ascending; at most some minutes old. */
  lsus(): Promise<readonly string[]> {
    return this.#soon(this.storage, this.#lsus.get());
  }

  /** The LSUs that are known now. */
  lsusNow(): readonly string[] {
    return this.#lsus.peek() ?? [];
  }

  /** An LSU, for what is in it; one request when it is asked for first. Throws `not-found`. */
  async open(lsu: string): Promise<ObjectStore> {
    return (await this.#withKeys(lsu)).store;
  }

  /** How an LSU's images are locked when they are complete; undefined when they are not. */
  async lockPolicy(lsu: string): Promise<LockPolicy | undefined> {
    return (await this.#withKeys(lsu)).locks.policy;
  }

  /** How long locks of an LSU may be. For polls. */
  lockBounds(lsu: string): Promise<LockBounds | undefined> {
    return this.#poll(lsu, async () => (await this.#polled(lsu))?.locks.bounds());
  }

  /** For polls. */
  label(lsu: string): Promise<string> {
    return this.#poll(lsu, async () => (await this.#polled(lsu))?.label.get() ?? '');
  }

  async setLabel(lsu: string, label: string): Promise<void> {
    const { store, label: aged } = await this.#withKeys(lsu);
    await writeLabel(store, label);
    await aged.renew();
    await this.#lsuChanged(lsu, { label });
  }

  /** How full an LSU is: what VMS says of it, else what the storage says of itself. */
  async capacity(lsu: string): Promise<Capacity> {
    const own = this.#soon(this.storageOf(lsu), this.#capacityOf(lsu).get());
    const [space, storage] = await Promise.all([this.cluster?.space(lsu), own]);
    return space === undefined ? storage : capacityOf(space, storage);
  }

  /** As {@link capacity}, from what is known now; undefined while nothing is. */
  capacityNow(lsu: string): Capacity | undefined {
    const storage = this.#capacityOf(lsu).peek();
    const space = this.cluster?.spaceNow(lsu);
    return space === undefined || storage === undefined ? storage : capacityOf(space, storage);
  }

  /** The storage that an LSU lies in. Two servers may share one. */
  storageOf(lsu: string): Storage {
    return this.storage.part?.(lsu) ?? this.storage;
  }

  /** How its storages are doing, all threads together. */
  figures(): StorageFigures[] {
    const told = [...this.#told.values()].flat();
    return this.storages().map((storage) => {
      const own = figuresOf(storage);
      return mergeFigures([own, ...told.filter(({ name }) => name === own.name)]);
    });
  }

  /** A lane tells how the storages are doing that it has open; nothing, when it has gone. */
  tell(lane: number, figures: readonly StorageFigures[]): void {
    this.#told.set(lane, figures);
    for (const storage of this.storages())
      storage.flow?.hear(lane, figures.find(({ name }) => name === storage.name)?.gates);
  }

  /** All storages that its LSUs lie in. */
  storages(): readonly Storage[] {
    return this.storage.parts?.() ?? [this.storage];
  }

  /** Where an LSU lies, for people. */
  whereIs(lsu: string): string {
    const storage = this.storageOf(lsu);
    return storage.name === this.storage.name ? `${storage.name}/${lsu}` : storage.name;
  }

  /** Where an image lies, for {@link ImageUsage}. */
  placeOf(lsu: string, imageId: string): string {
    return `${this.storageOf(lsu).name} ${lsu} ${imageId}`;
  }

  /** An image became complete. Nobody waits for what follows from that. */
  imageCompleted({ lsu, identity, imageId }: Omit<ImagePlace, 'server'>, size: number, stored: number): void {
    const payload = JSON.stringify({ image_id: imageId, size, stored });
    void this.events.append({ type: EVENT_TYPE.IMAGE_COMPLETED, lsu, image: identity, payload });
    this.#snapshots?.completed(lsu);
  }

  /** A stage told something of an image that is being written; hosts hear of what is more than information. */
  stageReported(
    { lsu, identity }: Pick<ImagePlace, 'lsu' | 'identity'>,
    stage: string,
    { severity, text, values }: StageReport,
  ): void {
    if (severity === 'info') return;
    const payload = JSON.stringify({ severity: severity.toUpperCase(), stage, text, ...(values ? { values } : {}) });
    void this.events.append({ type: EVENT_TYPE.LSU_CHANGED, lsu, image: identity, payload });
  }

  async close(): Promise<void> {
    await this.#snapshots?.close();
    await Promise.all(this.#watches.map((watch) => watch.close()));
    await this.events.close();
    await this.rotations?.close();
    await this.cluster?.close();
    await this.storage.close();
  }

  async #withKeys(lsu: string): Promise<Lsu> {
    await this.#keys?.ensure();
    return this.#lsu(lsu);
  }

  /** What a poll may know of an LSU: undefined while there are no keys to ask with. */
  async #polled(lsu: string): Promise<Lsu | undefined> {
    if (this.#keys === undefined || (await this.#keys.present())) return this.#known(lsu);
    if ((await this.lsus()).includes(lsu)) return undefined;
    throw noSuchLsu(lsu);
  }

  async #lsu(lsu: string): Promise<Lsu> {
    await this.storage.verify?.(lsu);
    return this.#known(lsu);
  }

  /** Ask about an LSU, for a poll. */
  async #poll<T>(lsu: string, ask: () => Promise<T>): Promise<T> {
    const storage = this.storageOf(lsu);
    const { name } = storage;
    const looking = this.storage.verify?.(lsu).then(() => this.#sound.set(name, this.#now()));
    const late = looking !== undefined && !(await within(looking, POLL_MS));
    if (late) {
      // A mount that was right and hangs now: what is known of it counts for a while.
      const age = this.#now() - (this.#sound.get(name) ?? Number.NEGATIVE_INFINITY);
      if (age > STALE_MS) throw silent(storage);
    }
    return this.#soon(storage, ask(), late ? MEMORY_MS : POLL_MS);
  }

  /** The answer of a storage whose calls cannot be ended, or an error when it does not come soon. It is fetched all the same, for the next poll. */
  async #soon<T>(storage: Storage, answer: Promise<T>, ms = POLL_MS): Promise<T> {
    if (storage.calls !== undefined && !(await within(answer, ms))) throw silent(storage);
    return answer;
  }

  async #known(lsu: string): Promise<Lsu> {
    if (!lsu.isWellFormed()) throw invalid('an LSU name must be UTF-8');
    const known = this.#open.get(lsu);
    if (known !== undefined) return known;
    const opening = this.storage.open(lsu).then((store) => ({
      store,
      label: new Aged(() => readLabel(store), YOUNG_MS, STALE_MS),
      locks: new LsuLocks(store, this.#lockPolicy(lsu)),
    }));
    this.#open.set(lsu, opening);
    opening.catch(() => this.#open.delete(lsu));
    return opening;
  }

  #capacityOf(lsu: string): Aged<Capacity> {
    const storage = this.storageOf(lsu);
    const known = this.#capacity.get(storage.name);
    if (known !== undefined) return known;
    const read = async (): Promise<Capacity> => {
      await storage.verify?.(lsu);
      return readCapacity(storage);
    };
    const capacity = new Aged(read, CAPACITY_YOUNG_MS, STALE_MS, this.#now);
    this.#capacity.set(storage.name, capacity);
    return capacity;
  }

  async #listLsus(): Promise<readonly string[]> {
    const before = this.#lsus.peek();
    const keys = this.#keys;
    const found = keys === undefined || (await keys.present()) ? await this.storage.lsus() : await keys.buckets();
    // Told once the new list is known, so that whoever hears of an LSU finds it.
    if (before !== undefined) {
      for (const lsu of before) {
        if (found.includes(lsu)) continue;
        this.#open.delete(lsu);
        void this.#lsuChanged(lsu, { present: false });
      }
      for (const lsu of found) if (!before.includes(lsu)) void this.#lsuChanged(lsu, { present: true });
    }
    return found;
  }

  #toldSnapshot(lsu: string, outcome: { readonly snapshot: string } | { readonly error: EngineError }): void {
    const payload =
      'snapshot' in outcome
        ? { severity: 'INFO', text: `snapshot ${outcome.snapshot} was taken`, snapshot: outcome.snapshot }
        : { severity: 'WARNING', text: `no snapshot could be taken: ${outcome.error.message}` };
    void this.events.append({ type: EVENT_TYPE.LSU_CHANGED, lsu, payload: JSON.stringify(payload) });
  }

  #lsuChanged(lsu: string, what: Readonly<Record<string, unknown>>): Promise<void> {
    return this.events.append({ type: EVENT_TYPE.LSU_CHANGED, lsu, payload: JSON.stringify(what) });
  }
}

function silent({ name }: Storage): EngineError {
  return new EngineError('VOST_STORE_SILENT', 'retryable', `${name} does not answer`, {
    advice: 'see whether its mount hangs (df, dmesg); images on it wait until its server is back',
  });
}
