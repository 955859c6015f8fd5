import { type Logger, pino } from 'pino';
import { bridge } from '../../bridge/bridge.ts';
import { abortError } from '../../errors.ts';
import { copyImage } from '../../image/copy-image.ts';
import type { LockPolicy } from '../../image/image-lock.ts';
import { type Resources, resourcesUnder } from '../../pipeline/resources.ts';
import { StageMeters } from '../../pipeline/stage-meters.ts';
import { builtInStages } from '../../stages/built-in.ts';
import { below, traceOf } from '../../tracing/spans.ts';
import { startTracing, type Tracing } from '../../tracing/start-tracing.ts';
import { VendorStages } from '../../vendor-stages/vendor-stages.ts';
import type { RequestObserver } from '../request-observer.ts';
import { LaneArenas } from './lane-arenas.ts';
import { LaneBeat } from './lane-beat.ts';
import { LaneChain } from './lane-chain.ts';
import { LaneImage } from './lane-image.ts';
import { LaneMemory } from './lane-memory.ts';
import { LaneStores } from './lane-stores.ts';
import { LentBudget } from './lent-budget.ts';
import { Outbox } from './outbox.ts';
import { errorOf, plainError } from './plain-error.ts';
import type { FromLane, LaneCopy, LaneLock, LaneStart, ToLane } from './protocol.ts';
import { Questions } from './questions.ts';

/** How often the main thread hears how images and storages are doing. */
const TELL_MS = 250;
/** Images of which one such report tells: with more, each has its turn. */
const MOST_TOLD = 64;

type Request = Extract<ToLane, { say: 'request' }>;

export interface LanePort {
  readonly post: (batch: readonly FromLane[]) => void;
  /** The lane has closed what it had open. */
  readonly onEnd: () => void;
}

/** A lane from within: takes requests of the main thread and works on its images. */
export class LaneHost {
  readonly #start: LaneStart;
  readonly #port: LanePort;
  readonly #outbox: Outbox<FromLane>;
  readonly #budget: LentBudget;
  readonly #resources: Resources;
  readonly #vendors: VendorStages;
  readonly #tracing: Tracing;
  readonly #chain: LaneChain;
  readonly #stores: LaneStores;
  readonly #arenas = new LaneArenas();
  readonly #memory: LaneMemory;
  readonly #questions: Questions;
  readonly #images = new Map<number, LaneImage>();
  /** What can be cancelled, by the number of the request. */
  readonly #running = new Map<number, AbortController>();
  readonly #timer: NodeJS.Timeout;
  #told = 0;
  #busy = false;

  private constructor(start: LaneStart, port: LanePort, outbox: Outbox<FromLane>, parts: Parts) {
    this.#start = start;
    this.#port = port;
    this.#outbox = outbox;
    this.#budget = parts.budget;
    this.#resources = parts.resources;
    this.#vendors = parts.vendors;
    this.#tracing = parts.tracing;
    this.#chain = new LaneChain(parts.resources.stages, parts.vendors);
    this.#memory = new LaneMemory(parts.resources);
    this.#questions = new Questions((message) => outbox.send(message));
    this.#stores = new LaneStores({
      settings: start.settings,
      observe: this.#observe,
      vipsOf: (server) => this.#questions.vipsOf(server),
      log: parts.log,
    });
    this.#timer = setInterval(() => {
      // What is idle has nothing to tell, once it has told that.
      const busy = this.#images.size > 0 || this.#running.size > 0 || this.#stores.busy;
      if (busy || this.#busy) this.#tell();
      this.#busy = busy;
    }, TELL_MS);
    new LaneBeat(start.beat);
  }

  /** @throws EngineError as {@link VendorStages.load} */
  static async start(start: LaneStart, port: LanePort): Promise<LaneHost> {
    const outbox = new Outbox<FromLane>(port.post);
    const write = (line: string): void => outbox.send({ say: 'log', line });
    const log = pino({ level: start.logLevel, base: null, timestamp: false, mixin: traceOf }, { write });
    const tracing = await startTracing((problem) => log.warn({ problem }, 'traces'));
    const registry = builtInStages((decision) => log.debug(decision, 'share of the chunks that are compressed'));
    const budget = new LentBudget(start.budget, (message) => outbox.send(message));
    const resources = resourcesUnder(bridge, budget, registry);
    const vendors = await VendorStages.load(start.settings, registry, {
      mainThread: false,
      onReport: (stage, about, report) => outbox.send({ say: 'reported', stage, about, report }),
      onOutput: (text) => log.info({ text }, 'a stage wrote to its standard output'),
    });
    const host = new LaneHost(start, port, outbox, { budget, resources, vendors, tracing, log });
    outbox.send({ say: 'ready' });
    return host;
  }

  hear(message: ToLane): void {
    switch (message.say) {
      case 'request':
        void this.#answer(message);
        break;
      case 'cancel':
        this.#running.get(message.id)?.abort(errorOf(message.error));
        break;
      case 'abort':
        this.#images.get(message.image)?.abort(errorOf(message.error));
        break;
      case 'put':
        this.#images.get(message.image)?.put(message);
        break;
      case 'unmap':
        this.#arenas.unmap(message.arena);
        break;
      case 'granted':
        this.#budget.granted(message.ticket);
        break;
      case 'refused':
        this.#budget.refused(message.ticket, message.error);
        break;
      case 'reclaim':
        this.#budget.reclaim(message.bytes);
        break;
      case 'reply':
        this.#questions.answered(message.id, message.value);
        break;
      case 'no-reply':
        this.#questions.failed(message.id, errorOf(message.error));
        break;
      case 'end':
        void this.#end();
        break;
    }
  }

  async #answer(request: Request): Promise<void> {
    const { id, image } = request;
    const stop = new AbortController();
    this.#running.set(id, stop);
    try {
      const value = await this.#perform(request, stop.signal);
      this.#images.get(image)?.tell();
      this.#outbox.send({ say: 'answer', id, value });
    } catch (error) {
      this.#images.get(image)?.tell();
      this.#outbox.send({ say: 'error', id, error: plainError(error) });
    } finally {
      this.#running.delete(id);
      if (this.#images.get(image)?.ended === true) this.#images.delete(image);
    }
  }

  async #perform(request: Request, signal: AbortSignal): Promise<unknown> {
    if (request.ask === 'copy') return below(request.span, () => this.#copy(request.image, request.copy, signal));
    if (request.ask === 'call') {
      const image = this.#images.get(request.image);
      if (image === undefined) throw new Error(`the lane has no image ${request.image}`);
      return image.call(request, signal);
    }
    const { context, opening } = request;
    const image = new LaneImage(request.image, {
      arena: this.#arenas.map(context.arena),
      chain: this.#chain,
      share: this.#memory.of(context.store.storage),
      takeOver: (creator, touched) => this.#questions.mayTake(request.image, creator, touched),
      chaos: this.#start.settings.general.chaos,
      lockOf: (lock) => this.#lock(request.image, lock),
      send: (message) => this.#outbox.send(message),
    });
    this.#images.set(request.image, image);
    try {
      const open = () => image.open(() => this.#stores.open(context.store), context, opening, signal);
      return await below(request.span, open);
    } catch (error) {
      this.#images.delete(request.image);
      throw error;
    }
  }

  async #copy(
    image: number,
    { from, to, sameStorage, creator, lock }: LaneCopy,
    signal: AbortSignal,
  ): Promise<unknown> {
    const share = this.#memory.of(to.store.storage);
    const meters = new StageMeters(share.resources.meters);
    const resources = { ...share.resources, meters };
    const [source, target] = [await this.#stores.open(from.store), await this.#stores.open(to.store)];
    if (signal.aborted) throw abortError(signal);
    const options = {
      sameStorage,
      ...(creator === undefined ? {} : { creator }),
      lock: this.#lock(image, lock),
      signal,
      onProgress: (done: number, total: number) => this.#outbox.send({ say: 'copied', image, done, total }),
    };
    const origin = { store: source, imageId: from.imageId };
    try {
      return await copyImage(origin, { store: target, identity: to.identity }, resources, options);
    } finally {
      const { mismatches, healed } = meters;
      this.#outbox.send({
        say: 'stages',
        image,
        stages: { totals: meters.totals(), mismatches, healed, decided: share.decided() },
      });
    }
  }

  #lock(image: number, lock: LaneLock | undefined): LockPolicy | undefined {
    return lock && { ...lock, onSkew: (skewMs) => this.#outbox.send({ say: 'skew', image, skewMs }) };
  }

  readonly #observe: RequestObserver = (service) => ({
    onAttempt: ({ error, ...attempt }) => {
      const told = { ...attempt, error: error === undefined ? undefined : plainError(error) };
      this.#outbox.send({ say: 'event', event: { service, attempt: told } });
    },
    onRetry: ({ error, ...retry }) =>
      this.#outbox.send({ say: 'event', event: { service, retry: { ...retry, error: plainError(error) } } }),
  });

  #tell(): void {
    const images = [...this.#images.values()];
    const count = Math.min(images.length, MOST_TOLD);
    for (let nth = 0; nth < count; nth += 1) images[(this.#told + nth) % images.length]?.tell();
    this.#told += count;
    for (const [server, figures] of this.#stores.figures()) this.#outbox.send({ say: 'figures', server, figures });
    this.#outbox.send({ say: 'idle', bytes: this.#budget.idle });
  }

  /** The main thread has ended all images. */
  async #end(): Promise<void> {
    await Promise.allSettled([...this.#images.values()].map((image) => image.drop()));
    await this.#vendors.close();
    await this.#stores.close();
    this.#resources.slabs.close();
    this.#arenas.unmapAll();
    await this.#tracing.stop();
    clearInterval(this.#timer);
    this.#tell();
    this.#outbox.flush();
    this.#port.onEnd();
  }
}

interface Parts {
  readonly budget: LentBudget;
  readonly resources: Resources;
  readonly vendors: VendorStages;
  readonly tracing: Tracing;
  readonly log: Logger;
}
