import { createHash, randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Bridge, HostBridge } from '../bridge/bridge.ts';
import type { Settings } from '../config/settings.ts';
import type { EngineError } from '../errors.ts';
import type { ProcessResources } from '../pipeline/resources.ts';
import { noVendorStages, type StagePlaces } from '../vendor-stages/vendor-stages.ts';
import { Acceptor } from './acceptor.ts';
import type { ImageBackend } from './backend.ts';
import { Counters } from './counters.ts';
import { fateOf, type Machine, thisMachine } from './creator.ts';
import { Deletions } from './deletions.ts';
import { DrainGate } from './drain-gate.ts';
import { EndedImages } from './ended-images.ts';
import { HangWatch, type StorageCalls, tellStuckCalls } from './hang-watch.ts';
import { ImageUsage } from './image-usage.ts';
import { Limiters } from './limiter.ts';
import { Listener } from './listener.ts';
import { Problems } from './problems.ts';
import type { RequestObserver } from './request-observer.ts';
import { Scrubber } from './scrubber.ts';
import { ServerRegistry } from './server-registry.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';
import { StorageMemory } from './storage-memory.ts';
import { within } from './within.ts';
import { WriterLeases } from './writer-leases.ts';

/** Listings in one storage, and copies between two, that run at the same time; the others wait. */
const MAX_LISTINGS = 8;
const MAX_COPIES = 4;

/** When the engine stops and the drain is over: a call on a directory that takes longer than this is no longer waited for, milliseconds. */
const LET_GO_MS = 10_000;
const LOOK_MS = 500;

export interface EngineOptions {
  readonly settings: Settings;
  readonly bridge: Bridge & HostBridge;
  /** Its budget is for what the engine may refuse or delay; see `slotReserve`. */
  readonly resources: ProcessResources;
  /** Vendors' stages. Default: none. */
  readonly stages?: StagePlaces;
  /** Bytes that the slots which every open image may always hold should together stay below. */
  readonly slotReserve: number;
  readonly backend: ImageBackend;
  readonly log: Logger;
  /** Hears of every request to storages and their management. */
  readonly observe?: RequestObserver | undefined;
  /** What is mounted. Default: /proc/self/mountinfo. */
  readonly mountinfo?: () => Promise<string>;
  /** Default: this one. */
  readonly machine?: Machine;
}

/** The engine's OST side: socket, sessions, storage servers. */
export class OstEngine {
  readonly services: Services;
  readonly #listener: Listener;
  readonly #acceptor: Acceptor;
  readonly #scrubbers: readonly Scrubber[];
  readonly #hangs: HangWatch;

  private constructor(services: Services, listener: Listener, acceptor: Acceptor) {
    this.services = services;
    this.#listener = listener;
    this.#acceptor = acceptor;
    this.#scrubbers = scrubbersOf(services);
    this.#hangs = new HangWatch({ storages: () => this.#calls(), log: services.log });
  }

  /** Listen. When this resolves, hosts can connect. */
  static async start(options: EngineOptions): Promise<OstEngine> {
    const { settings, bridge, resources, slotReserve, backend, log, observe, mountinfo } = options;
    const { machine = thisMachine() } = options;
    let acceptor: Acceptor | undefined;
    const servers = await ServerRegistry.open(settings, log, { observe, mountinfo });
    const services: Services = {
      settings,
      servers,
      backend,
      resources,
      stages: options.stages ?? noVendorStages,
      memory: new StorageMemory(resources),
      slotReserve,
      usage: new ImageUsage(),
      deletions: new Deletions(),
      writers: new Map(),
      readers: new Set(),
      listings: new Limiters(MAX_LISTINGS),
      copying: new Limiters(MAX_COPIES),
      drain: new DrainGate(),
      counters: new Counters(),
      ended: new EndedImages(),
      problems: new Problems(),
      machine,
      leases: new WriterLeases({
        nameIn: (label) => engineName(machine, settings, label),
        leaseMs: settings.engine.writer_lease,
        connected: () => new Set([...(acceptor?.sessions.values() ?? [])].map(({ process }) => process)),
        isGone: (process) => fateOf(process, machine) === 'gone',
        log,
      }),
      instance: randomBytes(16).toString('hex'),
      log,
    };
    try {
      const accepting = new Acceptor(bridge, services);
      acceptor = accepting;
      const listener = await Listener.open(bridge, settings.engine, (socket) => accepting.accept(socket));
      log.info({ socket: settings.engine.socket, servers: servers.all().map(({ name }) => name) }, 'engine ready');
      return new OstEngine(services, listener, accepting);
    } catch (error) {
      await services.leases.close();
      await servers.close();
      throw error;
    }
  }

  /** Host processes connected now. */
  get sessions(): number {
    return this.#acceptor.sessions.size;
  }

  /** Their sessions. */
  hosts(): Iterable<Session> {
    return this.#acceptor.sessions.values();
  }

  /**
   * Stop gracefully: nothing new begins, commits and deletions in progress end (for at most `drain_seconds`), the rest is
   * left to the hosts, which go on with the next engine.
   *
   * @param beside what else has to end, in the same time.
   * @returns whether everything ended. What did not still uses memory of hosts: then only {@link abandon} and the end of the process are left.
   */
  async stop(beside: Promise<unknown> = Promise.resolve()): Promise<boolean> {
    const { drain, settings, log } = this.services;
    this.#listener.stopListening();
    log.info({ sessions: this.sessions, running_calls: drain.running }, 'engine stops');
    const scrubbers = Promise.all(this.#scrubbers.map((scrubber) => scrubber.close()));
    const tooLong = Promise.withResolvers<void>();
    const timer = setTimeout(tooLong.resolve, settings.engine.drain_seconds * 1000);
    await Promise.race([drain.drained(), tooLong.promise]);
    clearTimeout(timer);
    const closing = Promise.all([beside, this.#acceptor.close(), scrubbers, this.#hangs.close()]);
    let threadsEnded = true;
    const ending = closing.then(async () => {
      threadsEnded = (await this.services.backend.close?.()) ?? true;
      await this.services.leases.close();
      await this.services.servers.close();
    });
    if (!((await this.#unlessStuck(ending)) && threadsEnded)) {
      tellStuckCalls(this.#calls(), log);
      return false;
    }
    this.#listener.close();
    log.info('engine stopped');
    return true;
  }

  /**
   * Let the next engine begin although calls of this one are still with the kernel. The process must end at once: what remains of it until their
   * mount is back is closing its files, and runs nothing any more.
   */
  abandon(): void {
    this.#listener.close();
  }

  /** Whether the work ended: calls that do not come back hold it up for ever. The rest gets as much time as they do. */
  async #unlessStuck(work: Promise<unknown>): Promise<boolean> {
    const began = performance.now();
    while (!(await within(work, LOOK_MS))) {
      const stuck = this.#calls().some(({ calls }) => (calls?.oldestMs ?? 0) > LET_GO_MS);
      if (stuck && performance.now() - began > LET_GO_MS) return false;
    }
    return true;
  }

  #calls(): StorageCalls[] {
    return this.services.servers.all().flatMap((server) => server.figures());
  }
}

/** The same for the engine that follows on this machine, as long as it is up; tells nobody what the machine is called. */
function engineName({ id, boot }: Machine, { engine }: Settings, label: string): string {
  return createHash('sha256').update([id, boot, engine.socket, label].join('\n')).digest('hex').slice(0, 32);
}

/** Of the servers whose sections ask for it. */
function scrubbersOf({ settings, servers, memory, problems, machine, log }: Services): Scrubber[] {
  return [...settings.servers].flatMap(([id, { scrub_rate: bytesPerSecond }]) => {
    const server = servers.all().find((one) => one.id === id);
    if (server?.scrubs === undefined) return [];
    const child = log.child({ server: id });
    const name = `engine ${engineName(machine, settings, id)}`;
    const onDamage = (error: EngineError, what: string): void => problems.add(error, what);
    return [new Scrubber({ server, figures: server.scrubs, memory, bytesPerSecond, name, log: child, onDamage })];
  });
}
