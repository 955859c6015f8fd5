import type { OstEngine } from '../ost/engine.ts';
import type { RequestObserver } from '../ost/request-observer.ts';
import { readEngine } from './read-engine.ts';
import { readLanes } from './read-lanes.ts';
import { readPipeline } from './read-pipeline.ts';
import { ProcessReader } from './read-process.ts';
import { readServers } from './read-servers.ts';
import { readStages } from './read-stages.ts';
import { MetricRegistry } from './registry.ts';
import { RequestMetrics } from './requests.ts';

/** All metrics of one engine. Made before the engine, which is to tell of its requests from the first one on. */
export class EngineMetrics {
  readonly registry = new MetricRegistry();
  /** For {@link OstEngine.start}. */
  readonly observe: RequestObserver;
  readonly #process = new ProcessReader();

  constructor() {
    this.observe = new RequestMetrics(this.registry).observe;
    this.registry.read(() => this.#process.read());
  }

  /** Read this engine's numbers. */
  watch(engine: OstEngine): void {
    const { resources, servers, stages, backend } = engine.services;
    this.registry.read(() => readEngine(engine));
    this.registry.read(() => readPipeline(resources));
    this.registry.read(() => readStages(stages));
    this.registry.read(() => readServers(servers.all()));
    this.registry.read(() => readLanes(backend.lanes ?? []));
  }

  close(): void {
    this.#process.close();
  }
}
