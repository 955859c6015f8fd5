import { setTimeout as delay } from 'node:timers/promises';
import { type Logger, pino } from 'pino';
import type { Settings } from '../../config/settings.ts';
import { abortError, EngineError, failureOf } from '../../errors.ts';
import type { CopyOptions } from '../../image/copy-image.ts';
import { type ImageIdentity, imageIdOf } from '../../image/identity.ts';
import type { ImageLayout, ReadHandle, ReopenOptions, WriteHandle, WriteTuning } from '../../image/image-backend.ts';
import type { LockPolicy } from '../../image/image-lock.ts';
import type { Manifest } from '../../image/manifest.ts';
import type { Budget } from '../../pipeline/byte-budget.ts';
import { shareProcessors } from '../../pipeline/processors.ts';
import type { Resources } from '../../pipeline/resources.ts';
import type { VendorStages } from '../../vendor-stages/vendor-stages.ts';
import type { Arena } from '../arena.ts';
import type { CopyPlace, ImageBackend, ImageContext, StorePlace } from '../backend.ts';
import type { RequestObserver } from '../request-observer.ts';
import type { StorageServer } from '../storage-server.ts';
import { LANE_LOST, type Lane } from './lane.ts';
import type { LaneFigures } from './lane-figures.ts';
import { LaneSlot } from './lane-slot.ts';
import { errorOf, plainError } from './plain-error.ts';
import type {
  FoundVips,
  FromLane,
  LaneArena,
  LaneContext,
  LaneCopy,
  LaneEvent,
  LaneLock,
  LaneQuestion,
  LaneStore,
  LaneTuning,
  Opening,
} from './protocol.ts';
import { isLost, Mailbox, type Seat } from './remote-image.ts';
import { RemoteReader } from './remote-reader.ts';
import { RemoteStages } from './remote-stages.ts';
import { RemoteWriter } from './remote-writer.ts';

/** How often is looked whether the lanes' loops turn. */
const LOOK_MS = 1000;
/** How often something is begun whose lane ended before it answered. */
const TRIES = 3;
/** How long an image waits for a lane while there is none. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 50;

export interface LanesOptions {
  readonly settings: Settings;
  readonly count: number;
  /** The process's. */
  readonly budget: Budget;
  readonly log: Logger;
  /** Hears of every request of the lanes. */
  readonly observe?: RequestObserver | undefined;
  /** Hears what vendors' stages in the lanes tell. */
  readonly stages?: Pick<VendorStages, 'heard'>;
  /** What a lane runs, for tests. */
  readonly file?: URL;
  readonly lookMs?: number;
}

/** Worker threads that images are worked on in, each with an event loop, storages and connections of its own. An image stays in the lane that it began in. */
export class Lanes implements ImageBackend {
  readonly #options: LanesOptions;
  readonly #slots: readonly LaneSlot[];
  readonly #arenas = new WeakMap<Arena, { readonly told: LaneArena; readonly lanes: Set<Lane> }>();
  /** Servers that lanes have worked for. */
  readonly #servers = new Map<string, StorageServer>();
  /** Of images that are being opened again, by their number. */
  readonly #takeOvers = new Map<number, NonNullable<ReopenOptions['takeOver']>>();
  readonly #hooks = new Map<string, ReturnType<RequestObserver>>();
  readonly #timer: NodeJS.Timeout;
  #closing = false;
  #numbers = 0;

  private constructor(options: LanesOptions) {
    this.#options = options;
    const { settings, count, budget, log, lookMs = LOOK_MS } = options;
    const kind = import.meta.url.endsWith('.ts') ? './lane-entry.ts' : './lane-entry.js';
    const file = options.file ?? new URL(kind, import.meta.url);
    const own = { ...settings, engine: { ...settings.engine, lanes: count } };
    shareProcessors(count);
    this.#slots = Array.from({ length: count }, (_, lane) => {
      const start = { settings: own, lane, budget: budget.total, logLevel: log.level };
      return new LaneSlot({
        file,
        start,
        budget,
        log,
        onMessage: (slot, message) => this.#hear(slot, message),
        onLost: (number) => this.#forget(number),
      });
    });
    this.#timer = setInterval(() => {
      for (const slot of this.#slots) slot.look();
    }, lookMs).unref();
  }

  /** Start all of them. Rejects, and leaves none, when one does not come up. */
  static async open(options: LanesOptions): Promise<Lanes> {
    const lanes = new Lanes(options);
    try {
      await Promise.all(lanes.#slots.map((slot) => slot.opened()));
      return lanes;
    } catch (error) {
      await lanes.close();
      throw error;
    }
  }

  get lanes(): LaneFigures[] {
    return this.#slots.map((slot) => slot.figures(this.#options.lookMs ?? LOOK_MS));
  }

  async create(context: ImageContext, layout: ImageLayout, tuning: WriteTuning): Promise<WriteHandle> {
    const { stages, ...rest } = layout;
    const opening: Opening = {
      how: 'create',
      layout: { ...rest, stages: stages.map(({ record }) => record) },
      tuning: tuningOf(tuning),
    };
    const { identity } = layout;
    const attach: Opening = { how: 'attach', identity, tuning: tuningOf(tuning) };
    const seat = await this.#try(async (again) => {
      // The lane that ended may have begun the image.
      const own = again ? await this.#open(context, attach).catch(unlessAnothers) : undefined;
      return own?.opened === undefined ? this.#open(context, opening) : own;
    });
    return this.#writer(seat, context, identity, tuning);
  }

  async reopen(context: ImageContext, identity: ImageIdentity, options: ReopenOptions): Promise<WriteHandle> {
    const { takeOver } = options;
    const tuning = tuningOf(options);
    const opening: Opening = { how: 'reopen', identity, tuning, takeOver: takeOver !== undefined };
    const seat = await this.#try(() => this.#open(context, opening, takeOver));
    return this.#writer(seat, context, identity, options);
  }

  async attach(
    context: ImageContext,
    identity: ImageIdentity,
    tuning: WriteTuning,
  ): Promise<{ readonly committed: boolean; readonly handle?: WriteHandle }> {
    const seat = await this.#try(() => this.#open(context, { how: 'attach', identity, tuning: tuningOf(tuning) }));
    if (seat.opened === undefined) return { committed: true };
    return { committed: false, handle: this.#writer(seat, context, identity, tuning) };
  }

  async open(context: ImageContext, identity: ImageIdentity): Promise<ReadHandle> {
    const open = (): Promise<Seat> => this.#try(() => this.#open(context, { how: 'read', identity }));
    return new RemoteReader(imageIdOf(identity), await open(), { context, open });
  }

  copy(
    from: CopyPlace & { readonly imageId: string },
    to: CopyPlace & { readonly identity: ImageIdentity },
    { meters, flow }: Resources,
    { sameStorage = false, creator, lock, signal, onProgress }: CopyOptions,
  ): Promise<Manifest> {
    const copy: LaneCopy = {
      from: { store: this.#store(from.place), imageId: from.imageId },
      to: { store: this.#store(to.place), identity: to.identity },
      sameStorage,
      creator,
      lock: lockOf(lock),
    };
    return this.#try(async () => {
      const lane = await this.#lane(signal);
      const image = this.#number();
      const stages = new RemoteStages(meters, flow);
      lane.listen(image, {
        heard: (message) => {
          if (message.say === 'copied') onProgress?.(message.done, message.total);
          else if (message.say === 'skew') lock?.onSkew?.(message.skewMs);
          else if (message.say === 'stages') stages.told(message.stages);
        },
        lost: () => undefined,
      });
      try {
        return await lane.copy(image, copy, signal);
      } finally {
        lane.forget(image);
        stages.end();
      }
    });
  }

  /** End the threads. Images have ended. A second call waits for the same. */
  async close(): Promise<boolean> {
    this.#closing = true;
    clearInterval(this.#timer);
    const ended = await Promise.all(this.#slots.map((slot) => slot.close()));
    return ended.every((one) => one);
  }

  #writer(seat: Seat, context: ImageContext, identity: ImageIdentity, tuning: WriteTuning): WriteHandle {
    const opening: Opening = { how: 'attach', identity, tuning: tuningOf(tuning) };
    const attach = (): Promise<Seat> => this.#open(context, opening);
    return new RemoteWriter(seat, { context, identity, onReport: tuning.onReport, attach });
  }

  async #open(context: ImageContext, opening: Opening, takeOver?: ReopenOptions['takeOver']): Promise<Seat> {
    const lane = await this.#lane(context.signal);
    const image = this.#number();
    const mailbox = new Mailbox();
    lane.listen(image, mailbox);
    if (takeOver !== undefined) this.#takeOvers.set(image, takeOver);
    try {
      const opened = await lane.open(image, this.#context(context, lane), opening, context.signal);
      if (opened === undefined) lane.forget(image);
      return { lane, image, opened, mailbox };
    } catch (error) {
      lane.forget(image);
      throw error;
    } finally {
      this.#takeOvers.delete(image);
    }
  }

  async #try<T>(work: (again: boolean) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await work(tries > 1);
      } catch (error) {
        if (!isLost(error) || tries >= TRIES) throw error;
      }
    }
  }

  /** The one with the least to do; waits while there is none. */
  async #lane(signal: AbortSignal | undefined): Promise<Lane> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      if (signal?.aborted) throw abortError(signal);
      const lanes = this.#slots.flatMap(({ lane }) => lane ?? []);
      const [first, ...others] = lanes;
      if (first !== undefined) return others.reduce((best, lane) => (lane.load < best.load ? lane : best), first);
      if (this.#closing || performance.now() >= end) {
        throw new EngineError(LANE_LOST, 'retryable', 'no lane of the engine is up', {
          advice: 'the engine’s log says why',
        });
      }
      await delay(PAUSE_MS);
    }
  }

  #number(): number {
    this.#numbers += 1;
    return this.#numbers;
  }

  #context({ place, arena, region, creator, lock }: ImageContext, lane: Lane): LaneContext {
    return { store: this.#store(place), arena: this.#arena(arena, lane), region, creator, lock: lockOf(lock) };
  }

  #store({ server, lsu, storageClass }: StorePlace): LaneStore {
    const { id, origin } = server;
    if (origin === undefined) throw new Error(`nothing is known of how ${id} was opened`);
    this.#servers.set(id, server);
    const { name: storage } = server.storageOf(lsu);
    return { server: id, settings: origin.settings, vips: origin.vips !== undefined, lsu, storageClass, storage };
  }

  #arena(arena: Arena, lane: Lane): LaneArena {
    const { descriptor, layout } = arena;
    const known = this.#arenas.get(arena);
    const { told, lanes } = known ?? { told: { number: this.#number(), descriptor, layout }, lanes: new Set() };
    if (known === undefined) this.#arenas.set(arena, { told, lanes });
    if (!lanes.has(lane)) arena.atEnd(() => lane.send({ say: 'unmap', arena: told.number }));
    lanes.add(lane);
    return told;
  }

  #hear({ number }: LaneSlot, message: FromLane): void {
    if (message.say === 'log') this.#log(number, message.line);
    else if (message.say === 'event') this.#event(message.event);
    else if (message.say === 'figures') this.#servers.get(message.server)?.tell(number, message.figures);
    else if (message.say === 'reported') this.#options.stages?.heard(message.stage, message.about, message.report);
    else if (message.say === 'question') void this.#reply(number, message.id, message.question);
  }

  #log(lane: number, line: string): void {
    const { level, msg, ...fields } = JSON.parse(line) as { level: number; msg: string };
    const label = pino.levels.labels[level] as pino.Level;
    this.#options.log[label]({ ...fields, lane }, msg);
  }

  #event(event: LaneEvent): void {
    const { service } = event;
    const hooks = this.#hooks.get(service) ?? this.#options.observe?.(service);
    if (hooks === undefined) return;
    this.#hooks.set(service, hooks);
    if ('attempt' in event) {
      const { error, ...attempt } = event.attempt;
      hooks.onAttempt?.(error === undefined ? attempt : { ...attempt, error: errorOf(error) });
    } else {
      const { error, ...retry } = event.retry;
      hooks.onRetry?.({ ...retry, error: errorOf(error) as EngineError });
    }
  }

  async #reply(lane: number, id: number, question: LaneQuestion): Promise<void> {
    const target = this.#slots[lane]?.lane;
    try {
      const value = question.about === 'vips' ? await this.#vipsOf(question) : await this.#mayTake(question);
      target?.send({ say: 'reply', id, value });
    } catch (error) {
      target?.send({ say: 'no-reply', id, error: plainError(error) });
    }
  }

  async #vipsOf({ server }: Extract<LaneQuestion, { about: 'vips' }>): Promise<FoundVips> {
    const vips = this.#servers.get(server)?.origin?.vips;
    if (vips === undefined) throw new Error(`nobody knows the VIPs of ${server}`);
    return { addresses: await vips.resolve(AbortSignal.timeout(PATIENCE_MS)), maxAgeMs: vips.maxAgeMs };
  }

  async #mayTake({ image, creator, touched }: Extract<LaneQuestion, { about: 'take-over' }>): Promise<boolean> {
    return (await this.#takeOvers.get(image)?.(creator, touched)) === true;
  }

  /** What a lane said of its storages is over with it. */
  #forget(lane: number): void {
    for (const server of this.#servers.values()) server.tell(lane, []);
  }
}

function tuningOf({ partBytes, parallelParts, observers = [] }: WriteTuning): LaneTuning {
  return { partBytes, parallelParts, observers: observers.map(({ name }) => name) };
}

function lockOf(lock: LockPolicy | undefined): LaneLock | undefined {
  if (lock === undefined) return undefined;
  const { retentionMs, mode, minimumMs, maximumMs } = lock;
  return { retentionMs, mode, minimumMs, maximumMs };
}

/** Nobody's, or another's: what creating says about that is the answer. */
function unlessAnothers(error: unknown): undefined {
  if (['not-found', 'busy', 'exists', 'access'].includes(failureOf(error))) return undefined;
  throw error;
}
