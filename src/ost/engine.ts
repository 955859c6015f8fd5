import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Bridge, HostBridge } from '../bridge/bridge.ts';
import type { Settings } from '../config/settings.ts';
import type { ProcessResources } from '../pipeline/resources.ts';
import { noVendorStages, type StagePlaces } from '../vendor-stages/vendor-stages.ts';
import { Acceptor } from './acceptor.ts';
import type { ImageBackend } from './backend.ts';
import { Counters } from './counters.ts';
import { thisMachine } from './creator.ts';
import { Deletions } from './deletions.ts';
import { DrainGate } from './drain-gate.ts';
import { EndedImages } from './ended-images.ts';
import { ImageUsage } from './image-usage.ts';
import { Limiter } from './limiter.ts';
import { Listener } from './listener.ts';
import { Problems } from './problems.ts';
import type { RequestObserver } from './request-observer.ts';
import { Scrubber } from './scrubber.ts';
import { ServerRegistry } from './server-registry.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';
import { SlotGrants } from './slot-grants.ts';

/** Listings and copies that run at the same time; the others wait. */
const MAX_LISTINGS = 8;
const MAX_COPIES = 4;

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
}

/** The engine's OST side: socket, sessions, storage servers. */
export class OstEngine {
  readonly services: Services;
  readonly #listener: Listener;
  readonly #acceptor: Acceptor;
  readonly #scrubbers: readonly Scrubber[];

  private constructor(services: Services, listener: Listener, acceptor: Acceptor) {
    this.services = services;
    this.#listener = listener;
    this.#acceptor = acceptor;
    this.#scrubbers = scrubbersOf(services);
  }

  /** Listen. When this resolves, hosts can connect. */
  static async start(options: EngineOptions): Promise<OstEngine> {
    const { settings, bridge, resources, slotReserve, backend, log, observe, mountinfo } = options;
    const servers = await ServerRegistry.open(settings, log, { observe, mountinfo });
    const services: Services = {
      settings,
      servers,
      backend,
      resources,
      stages: options.stages ?? noVendorStages,
      grants: new SlotGrants(resources.budget),
      slotReserve,
      usage: new ImageUsage(),
      deletions: new Deletions(),
      writers: new Map(),
      readers: new Set(),
      listings: new Limiter(MAX_LISTINGS),
      copying: new Limiter(MAX_COPIES),
      drain: new DrainGate(),
      counters: new Counters(),
      ended: new EndedImages(),
      problems: new Problems(),
      machine: thisMachine(),
      instance: randomBytes(16).toString('hex'),
      log,
    };
    try {
      const acceptor = new Acceptor(bridge, services);
      const listener = await Listener.open(bridge, settings.engine, (socket) => acceptor.accept(socket));
      log.info({ socket: settings.engine.socket, servers: servers.all().map(({ name }) => name) }, 'engine ready');
      return new OstEngine(services, listener, acceptor);
    } catch (error) {
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
   */
  async stop(): Promise<void> {
    const { drain, settings, log } = this.services;
    this.#listener.stopListening();
    log.info({ sessions: this.sessions, running_calls: drain.running }, 'engine stops');
    const scrubbers = Promise.all(this.#scrubbers.map((scrubber) => scrubber.close()));
    const tooLong = Promise.withResolvers<void>();
    const timer = setTimeout(tooLong.resolve, settings.engine.drain_seconds * 1000);
    await Promise.race([drain.drained(), tooLong.promise]);
    clearTimeout(timer);
    await this.#acceptor.close();
    await scrubbers;
    await this.services.servers.close();
    this.#listener.close();
    log.info('engine stopped');
  }
}

/** Of the servers whose sections ask for it. */
function scrubbersOf({ settings, servers, resources, instance, log }: Services): Scrubber[] {
  return [...settings.servers].flatMap(([id, { scrub_interval: intervalMs, scrub_rate: bytesPerSecond }]) => {
    const server = servers.all().find((one) => one.id === id);
    if (server === undefined || intervalMs === undefined) return [];
    const child = log.child({ server: id });
    return [new Scrubber({ server, resources, intervalMs, bytesPerSecond, name: `engine ${instance}`, log: child })];
  });
}
