import type { RequestListener } from 'node:http';
import type { Logger } from 'pino';
import type { Settings } from '../config/settings.ts';
import type { OstEngine } from '../ost/engine.ts';
import type { RequestObserver } from '../ost/request-observer.ts';
import type { AccessFiles } from './access.ts';
import { EngineMetrics } from './engine-metrics.ts';
import { MetricsServer } from './metrics-server.ts';

/** Metrics as `[metrics]` wants them. */
export interface ServedMetrics {
  /** For {@link OstEngine.start}; undefined when metrics are off. */
  readonly observe: RequestObserver | undefined;
  /**
   * Begin to serve those of an engine.
   * @param others answers what is not `/metrics`, at the same address.
   */
  open(engine: OstEngine, others: RequestListener): Promise<void>;
  close(): Promise<void>;
}

/** Prepare to serve metrics. An address that is taken is logged and nothing more: backups are worth more than their numbers. */
export function serveMetrics({ metrics: settings }: Settings, access: AccessFiles, log: Logger): ServedMetrics {
  const { listen } = settings;
  if (listen === undefined) return { observe: undefined, open: async () => undefined, close: async () => undefined };
  const metrics = new EngineMetrics();
  const { registry } = metrics;
  let server: MetricsServer | undefined;
  return {
    observe: metrics.observe,
    open: async (engine, others) => {
      metrics.watch(engine);
      const text = (): Promise<string> => registry.text();
      try {
        server = await MetricsServer.open({ listen, access, text, contentType: registry.contentType, others, log });
        log.info({ host: listen.host, port: server.port, tls: access.now.tls !== undefined }, 'metrics are served');
      } catch (error) {
        log.error({ err: error, ...listen }, 'metrics are not served: set another listen in [metrics], or off');
      }
    },
    close: async () => {
      await server?.close();
      metrics.close();
    },
  };
}
