import { pino } from 'pino';
import { bridge } from '../../bridge/bridge.ts';
import { mountedLsus, namedLsus } from '../../config/lsu-data.ts';
import { lsuPlaces } from '../../config/lsu-place.ts';
import { openVms } from '../../config/open-vms.ts';
import type { ServerSettings, Settings } from '../../config/settings.ts';
import { examineCluster } from '../../doctor/cluster.ts';
import { examineEngine } from '../../doctor/engine.ts';
import type { Finding, Findings } from '../../doctor/finding.ts';
import { examineMachine } from '../../doctor/machine.ts';
import { examinePlugin } from '../../doctor/plugin.ts';
import { examineStorage } from '../../doctor/storage.ts';
import { EngineError } from '../../errors.ts';
import { openServerStorage } from '../../ost/server-storage.ts';
import { createResources, type Resources } from '../../pipeline/resources.ts';
import { builtInStages } from '../../stages/built-in.ts';
import { vipOptions } from '../../vast/vip-pool/configured-vips.ts';
import { VmsVips } from '../../vast/vms/vms-vips.ts';
import { printJson } from '../output.ts';

/** A doctor that waits for minutes is none: requests are tried again for so long. */
const PATIENCE_SECONDS = 10;
const PROBE_MEMORY = 64 * 2 ** 20;
const CHECK_WIDTH = 14;

export interface DoctorOptions {
  /** Where NetBackup looks for plugins. */
  readonly plugins: string;
  /** Only this LSU of each server. */
  readonly lsu?: string;
  /** False with `--no-write`. */
  readonly write: boolean;
  readonly json: boolean;
}

/** `vast-ost doctor [SERVER]`: everything that a backup needs, looked at from the machine to a probe image. */
export async function doctor(
  settings: Settings,
  server: string | undefined,
  options: DoctorOptions,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  let subject = '';
  for await (const finding of examine(settings, server, options, signal)) {
    if (signal.aborted) break;
    if (options.json) printJson(finding);
    else {
      if (finding.subject !== subject) process.stdout.write(`${subject === '' ? '' : '\n'}${finding.subject}\n`);
      process.stdout.write(lineOf(finding));
    }
    ({ subject } = finding);
    if (finding.verdict === 'failure') failures += 1;
  }
  signal.throwIfAborted();
  if (failures > 0) throw new EngineError('VOST_UNHEALTHY', 'internal', `${failures} check(s) failed`);
}

function lineOf({ verdict, check, message, advice }: Finding): string {
  const head = `  ${verdict.padEnd(8)} ${check.padEnd(CHECK_WIDTH)} `;
  return `${head}${message}\n${advice === undefined ? '' : `${''.padEnd(head.length)}→ ${advice}\n`}`;
}

async function* examine(
  settings: Settings,
  server: string | undefined,
  options: DoctorOptions,
  signal: AbortSignal,
): Findings {
  if (settings.servers.size === 0) {
    throw new EngineError('VOST_NO_STORE', 'usage', 'no storage server is configured', {
      advice: 'add a section [server NAME] with store = file:DIR or s3:URL to the configuration file',
    });
  }
  const chosen = [...settings.servers].filter(([name]) => server === undefined || name === server);
  if (server !== undefined && chosen.length === 0) {
    throw new EngineError('VOST_NO_STORE', 'usage', `there is no section [server ${server}]`, {
      advice: `configured: ${[...settings.servers.keys()].join(', ') || 'none'}`,
    });
  }
  yield* examineMachine(settings);
  yield* examinePlugin(options.plugins, settings.engine);
  yield* examineEngine(settings.engine);
  const resources = createResources(bridge, PROBE_MEMORY, builtInStages());
  const hasty = { ...settings, performance: { ...settings.performance, retry_seconds: PATIENCE_SECONDS } };
  try {
    for (const [name, section] of chosen) yield* examineServer(name, section, hasty, resources, options, signal);
  } finally {
    resources.slabs.close();
  }
}

async function* examineServer(
  name: string,
  section: ServerSettings,
  settings: Settings,
  resources: Resources,
  options: DoctorOptions,
  signal: AbortSignal,
): Findings {
  const client = section.vms === undefined ? undefined : openVms(name, section);
  const pool = client && section.vip_pool !== undefined ? new VmsVips(client, section.vip_pool) : undefined;
  const storage = openServerStorage(name, section, settings, pino({ level: 'silent' }), pool);
  const subject = `server ${name}`;
  try {
    if (client !== undefined) {
      yield* examineCluster({
        subject: `${subject} vms`,
        client,
        caFile: section.vms_ca_file,
        lsus: namedLsus(settings, name),
        placeOf: lsuPlaces(name, settings),
        pool: section.vip_pool,
        signal,
      });
    }
    yield* examineStorage({
      subject,
      url: section.store,
      caFile: section.s3_ca_file ?? settings.general.s3_ca_file,
      vips: pool ?? vipOptions(section.store, section, `[${subject}]`).vips,
      exported: section.data === 'nfs' ? section.view_path : undefined,
      mounted: mountedLsus(settings, name),
      storage,
      resources,
      lsu: options.lsu,
      write: options.write,
      signal,
    });
  } finally {
    await storage.close();
    await client?.close();
  }
}
