import { type Logger, pino } from 'pino';
import { bridge } from '../bridge/bridge.ts';
import { withChaos } from '../chaos/store-rates.ts';
import type { Settings } from '../config/settings.ts';
import { flowOf, streamsOf } from '../config/streams.ts';
import { EngineError } from '../errors.ts';
import { createResources, type Resources } from '../pipeline/resources.ts';
import type { ImageInfo, StageReport } from '../stage-api/index.ts';
import { builtInStages } from '../stages/built-in.ts';
import { startTracing } from '../tracing/start-tracing.ts';
import { openStorage } from '../vast/open-storage.ts';
import type { RetrierOptions } from '../vast/retry.ts';
import type { ObjectStore, Storage } from '../vast/store.ts';
import { vipOptions } from '../vast/vip-pool/configured-vips.ts';
import { type StageChain, VendorStages } from '../vendor-stages/vendor-stages.ts';
import { type GlobalOptions, loadSettings } from './load-settings.ts';
import { logDestination, openLog } from './open-log.ts';

/** What a command works with. */
export interface Context {
  readonly settings: Settings;
  readonly storage: Storage;
  readonly resources: Resources;
  /** The vendors' stages of a policy's images in an LSU. */
  readonly stagesOf: (lsu: string, policy: string) => StageChain;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly json: boolean;
  /** Requests that were repeated so far. */
  readonly retries: () => number;
  /** Requests that fetch something for a restore, now. */
  readonly reading: () => number;
}

/** Run a command with everything it needs, and close it all afterwards. */
export async function withContext(
  options: GlobalOptions,
  signal: AbortSignal,
  run: (context: Context) => Promise<void>,
): Promise<void> {
  const settings = await loadSettings(options);
  const { general, performance, logging } = settings;
  const url = general.store ?? (general.nfs_mount_point === undefined ? undefined : `file:${general.nfs_mount_point}`);
  if (url === undefined) {
    throw new EngineError('VOST_NO_STORE', 'usage', 'no store was named', {
      advice: 'give --store file:DIR or --store s3:http://host:port, or set store in the configuration file',
    });
  }
  const { log_level: level, log_file: file } = logging;
  const log = file === undefined ? pino({ level: 'silent' }) : openLog(level, logDestination(file, 0o600));
  const tracing = await startTracing((problem) => {
    log.warn({ problem }, 'traces');
    process.stderr.write(`vast-ost: traces: ${problem}\n`);
  });
  let retries = 0;
  const flow = flowOf(performance, {
    onDecision: (decision) => log.debug(decision, 'requests in flight'),
    onSize: (decision) => log.debug(decision, 'size'),
  });
  const retry: RetrierOptions = {
    policy: { budgetMs: performance.retry_seconds * 1000, retries: performance.retry_count },
    onRetry: ({ operation, attempt, delayMs, error }) => {
      retries += 1;
      log.warn({ operation, attempt, delay_ms: delayMs, code: error.code, details: error.details }, error.message);
    },
  };
  const opened = openStorage(url, {
    s3: {
      region: general.s3_region,
      wireIntegrity: performance.wire_integrity,
      ...vipOptions(url, general, '[general]'),
      ...(general.s3_ca_file === undefined ? {} : { caFile: general.s3_ca_file }),
    },
    file: { directIo: performance.use_direct_io },
    ...retry,
    flow,
  });
  const storage = withChaos(opened, general.chaos, retry, (fault) => log.warn({ fault }, 'a planned fault happened'));
  const registry = builtInStages((decision) => log.debug(decision, 'share of the chunks that are compressed'));
  const resources = createResources(bridge, performance.memory_budget_mb, registry);
  let vendors: VendorStages | undefined;
  try {
    vendors = await VendorStages.load(settings, registry, {
      mainThread: true,
      onReport: (stage, image, report) => tellReport(log, stage, image, report),
      onOutput: (text) => process.stderr.write(text),
      signal,
    });
    const places = vendors;
    // What was asked for here wins over what stands anywhere in the file.
    const asked = options.stage !== undefined;
    const server = serverOf(settings);
    const stagesOf = (lsu: string, policy: string): StageChain =>
      places.chainOf(asked ? { server: '', lsu: '', policy: '' } : { server, lsu, policy });
    await run({
      settings,
      storage,
      resources,
      stagesOf,
      log,
      signal,
      json: options.json === true,
      retries: () => retries,
      reading: () => flow.read?.inFlight ?? streamsOf(performance.read_ahead),
    });
  } catch (error) {
    log.error({ err: error }, 'command failed');
    throw error;
  } finally {
    await vendors?.close();
    resources.slabs.close();
    await storage.close();
    await tracing.stop();
  }
}

/** The storage server with the store in use; '' when there is none. */
export function serverOf({ general, servers }: Settings): string {
  const { store, nfs_mount_point: mount } = general;
  const url = store ?? `file:${mount}`;
  const [server = ''] = [...servers].find(([, each]) => each.store === url) ?? [];
  return server;
}

/** What a stage tells people: a line of the log, and of standard error. */
function tellReport(log: Logger, stage: string, image: ImageInfo, { severity, text, values }: StageReport): void {
  const level = severity === 'warning' ? 'warn' : severity;
  log[level]({ stage, lsu: image.lsu, image: image.name, values }, text);
  const numbers = Object.entries(values ?? {}).map(([name, value]) => ` ${name}=${value}`);
  process.stderr.write(`${image.name}: ${stage}: ${severity}: ${text}${numbers.join('')}\n`);
}

/** Which state of an LSU a reading command means. */
export interface AtSnapshot {
  /** Name of a snapshot. Default: the LSU as it is. */
  readonly snapshot?: string;
}

/** Open an LSU to read, as it is or as a snapshot has it. */
export async function openAt(context: Context, lsu: string, { snapshot }: AtSnapshot): Promise<ObjectStore> {
  if (snapshot === undefined) return openLsu(context, lsu);
  const { storage, signal } = context;
  if (storage.openSnapshot === undefined) {
    throw new EngineError('VOST_NO_SNAPSHOTS', 'unsupported', `${storage.name} shows no snapshots`, {
      advice: 'mount the view by NFS and name the mount: --store file:DIR',
    });
  }
  return storage.openSnapshot(lsu, snapshot, { signal });
}

/** Open an LSU, or make it first when the command was told to. */
export async function openLsu(context: Context, lsu: string, create = false): Promise<ObjectStore> {
  const { storage, signal } = context;
  try {
    return await storage.open(lsu, { signal });
  } catch (error) {
    if (!(error instanceof EngineError) || error.failure !== 'not-found') throw error;
    if (!create) {
      throw new EngineError(error.code, 'not-found', `${storage.name} has no LSU ${lsu}`, {
        cause: error,
        advice: 'vast-ost list shows the LSUs; backup --create-lsu makes a new one',
      });
    }
    await storage.createLsu(lsu, { signal });
    return storage.open(lsu, { signal });
  }
}
