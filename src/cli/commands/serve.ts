import { once } from 'node:events';
import type { Logger } from 'pino';
import { bridge } from '../../bridge/bridge.ts';
import { planLanes } from '../../config/lanes.ts';
import type { Settings } from '../../config/settings.ts';
import { Console } from '../../console/console.ts';
import { AccessFiles } from '../../metrics/access.ts';
import { serveMetrics } from '../../metrics/serve-metrics.ts';
import { OstEngine } from '../../ost/engine.ts';
import { imageHandles } from '../../ost/image-handles.ts';
import { Lanes } from '../../ost/lanes/lanes.ts';
import { ServiceManager } from '../../ost/service-manager.ts';
import { createResources } from '../../pipeline/resources.ts';
import { builtInStages } from '../../stages/built-in.ts';
import { startTracing } from '../../tracing/start-tracing.ts';
import { VendorStages } from '../../vendor-stages/vendor-stages.ts';
import { logDestination, openLog } from '../open-log.ts';
import { rereading } from '../rereading.ts';

const STANDARD_ERROR = 2;
/** Of what a stage writes at once, characters. */
const MAX_OUTPUT = 4096;

/** `vast-ost serve`: the engine that NetBackup's processes talk to, until SIGTERM; a second one ends it at once. */
export async function serve(settings: Settings, signal: AbortSignal): Promise<void> {
  const { log, reopen } = logOf(settings);
  hideMemory(log);
  const tracing = await startTracing((problem) => log.warn({ problem }, 'traces'));
  const access = await AccessFiles.open(settings.metrics);
  const metrics = serveMetrics(settings, access, log);
  const console = await Console.prepare(settings, access, log);
  const onHangup = rereading([access, console], reopen, log);
  process.on('SIGHUP', onHangup);
  const manager = new ServiceManager(bridge);
  // One half for what can be delayed or refused, one for the slots that every open image may always hold.
  const half = settings.performance.memory_budget_mb / 2;
  const registry = builtInStages((decision) => log.debug(decision, 'share of the chunks that are compressed'));
  const resources = createResources(bridge, half, registry);
  let stages: VendorStages | undefined;
  let lanes: Lanes | undefined;
  let abandoned: OstEngine | undefined;
  try {
    stages = await VendorStages.load(settings, registry, {
      mainThread: false,
      onReport: (stage, { lsu, name }, { severity, text, values }) =>
        log[severity === 'warning' ? 'warn' : severity]({ stage, lsu, image: name, values }, text),
      onOutput: (text) => log.info({ text: text.slice(0, MAX_OUTPUT) }, 'a stage wrote to its standard output'),
      signal,
    });
    const plan = planLanes(settings.engine.lanes);
    log.info({ lanes: plan.count, why: plan.why }, 'threads that images are worked on in');
    const { count } = plan;
    const { budget } = resources;
    if (count > 0) lanes = await Lanes.open({ settings, count, budget, log, observe: metrics.observe, stages });
    const engine = await OstEngine.start({
      settings,
      bridge,
      resources,
      stages,
      slotReserve: half,
      backend: lanes ?? imageHandles,
      log,
      observe: metrics.observe,
    });
    await metrics.open(engine, console.open(engine));
    manager.ready();
    if (!signal.aborted) await once(signal, 'abort');
    manager.stopping();
    if (!(await engine.stop(console.close()))) abandoned = engine;
  } finally {
    await metrics.close();
    manager.close();
    // What did not end may still read from this memory.
    if (abandoned === undefined) {
      await lanes?.close();
      await stages?.close();
      resources.slabs.close();
    }
    await tracing.stop();
    process.off('SIGHUP', onHangup);
  }
  if (abandoned === undefined) return;
  abandoned.abandon();
  bridge.leave(0);
}

/** What is in memory, keys and tokens too, stays there unless an administrator raises the limit of core dumps. */
function hideMemory(log: Logger): void {
  if (process.report !== undefined) process.report.excludeEnv = true;
  if (!bridge.forbidDumps()) log.warn('core dumps are on, and would hold keys and passwords: ulimit -c 0, LimitCORE=0');
}

/** JSON lines into the file of the configuration, opened anew on SIGHUP, else to standard error. */
function logOf({ logging }: Settings): { readonly log: Logger; readonly reopen: () => void } {
  const destination = logDestination(logging.log_file ?? STANDARD_ERROR, 0o640);
  const reopen = (): void => {
    if (logging.log_file !== undefined) destination.reopen();
  };
  return { log: openLog(logging.log_level, destination), reopen };
}
