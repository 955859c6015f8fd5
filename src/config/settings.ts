import { z } from 'zod';
import { EngineError } from '../errors.ts';
import { COMPRESSIONS } from './compression.ts';
import { consoleSchema } from './console-schema.ts';
import { engineSchema, serverSchema } from './engine-schema.ts';
import { Count } from './fields.ts';
import type { IniEntry } from './ini.ts';
import { dataProblem, lsusOf } from './lsu-data.ts';
import { lsuSchema } from './lsu-schema.ts';
import { checkMetrics, metricsSchema } from './metrics-schema.ts';
import { stageFields } from './stage-fields.ts';
import { stageLists } from './stage-lists.ts';
import { MOST_STREAMS } from './streams.ts';
import { vipFields } from './vip-fields.ts';
import { wormOf, wormProblem } from './worm-settings.ts';

const MIB = 1024 * 1024;
const Flag = z.enum(['true', 'false', 'yes', 'no', '1', '0']).transform((text) => ['true', 'yes', '1'].includes(text));
const Megabytes = (min: number, max: number) => Count(min, max).transform((mebibytes) => mebibytes * MIB);

/**
 * Every setting, by section and key of the configuration file. Values arrive as text. The same schema checks
 * command-line options, which override the file. Documented in docs/cli.md.
 */
export const settingsSchema = {
  general: {
    /** `file:DIR` or `s3:http(s)://host:port`. */
    store: z.string().min(1).optional(),
    /** Directory store on a mounted export; the same as `store = file:DIR`. */
    nfs_mount_point: z.string().min(1).optional(),
    s3_region: z.string().min(1).default('us-east-1'),
    /** PEM file with the authorities to trust, instead of the system's. */
    s3_ca_file: z.string().min(1).optional(),
    /** Faults on purpose, for tests: `SEED` or `SEED,KIND=RATE,…`. */
    chaos: z.string().min(1).optional(),
    /** Folder in whose `node_modules` vendors' stages are installed. */
    stage_dir: z.string().startsWith('/').default('/opt/vast-ost-stages'),
    /** Stages that only older images need. */
    read_stages: stageFields.stages,
    ...stageFields,
    ...vipFields,
  },
  performance: {
    /** Parts in flight per image; `auto`: as many for the whole storage as turn out to be best. */
    parallel_streams: z.union([z.literal('auto'), Count(1, MOST_STREAMS)]).default('auto'),
    chunk_size_mb: Megabytes(1, 1024).default(64 * MIB),
    part_size_mb: Megabytes(1, 4096).default(64 * MIB),
    /** Bound on payload memory of the process. */
    memory_budget_mb: Megabytes(64, 1024 * 1024).default(512 * MIB),
    /** Chunks fetched ahead on restore; `auto` likewise. */
    read_ahead: z.union([z.literal('auto'), Count(1, MOST_STREAMS)]).default('auto'),
    /** How far ahead of the first missing byte a write may reach. The default is smaller when memory is. */
    reorder_window_mb: Megabytes(0, 65536).default(128 * MIB),
    compression: z.enum(COMPRESSIONS).default('none'),
    use_direct_io: Flag.default(true),
    /** How often one request is tried again. */
    retry_count: Count(0, 1000).default(10),
    /** How long one request is tried again, seconds. */
    retry_seconds: Count(0, 86_400).default(300),
    wire_integrity: z.enum(['auto', 'sha256', 'md5', 'none']).default('auto'),
  },
  logging: {
    log_level: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info'),
    /** Append JSON lines here; no log when absent. */
    log_file: z.string().min(1).optional(),
  },
} as const;

/** All sections that stand once: those of {@link settingsSchema}, and the service's. */
export const sectionSchemas = {
  ...settingsSchema,
  engine: engineSchema,
  metrics: metricsSchema,
  console: consoleSchema,
} as const;

type Schema = typeof sectionSchemas;
type Section<Keys> = { readonly [K in keyof Keys]: z.output<Keys[K] & z.ZodType> };
export type EngineSettings = Section<typeof engineSchema>;
export type ServerSettings = Section<typeof serverSchema>;
export type LsuSettings = Section<typeof lsuSchema>;
/** What is said of the images of a backup policy, whatever LSU they go to. */
export type PolicySettings = Section<typeof stageFields>;
export type Settings = { readonly [S in keyof Schema]: Section<Schema[S]> } & {
  /** The `[server NAME]` sections, by name. */
  readonly servers: ReadonlyMap<string, ServerSettings>;
  /** The `[lsu SERVER/NAME]` sections, by `SERVER/NAME`. */
  readonly lsus: ReadonlyMap<string, LsuSettings>;
  /** The `[policy NAME]` sections, by name. */
  readonly policies: ReadonlyMap<string, PolicySettings>;
  /** The `[stage SPEC]` sections: options of vendors' stages, by the name of the package or its path. */
  readonly stages: ReadonlyMap<string, Readonly<Record<string, string>>>;
};

/** `server NAME`: what stands between the brackets. */
const SERVER_SECTION = /^server\s+(.*)$/;
/** `lsu SERVER/NAME` */
const LSU_SECTION = /^lsu\s+(.*)$/;
const LSU_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\/[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** `policy NAME` */
const POLICY_SECTION = /^policy\s+(.*)$/;
/** As NetBackup allows them. */
const POLICY_NAME = /^[A-Za-z0-9+._-]{1,255}$/;
/** `stage SPEC` */
const STAGE_SECTION = /^stage\s+(\S+)$/;
/** NetBackup takes host names here. */
const SERVER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/**
 * Check entries, later ones overriding earlier ones, and complete them with defaults. Unknown sections and keys and bad
 * values are errors of class `usage` that name the file and line, or the option, they came from.
 */
export function buildSettings(entries: readonly IniEntry[]): Settings {
  const sections = new Map<string, Map<string, IniEntry>>();
  const stages = new Map<string, Record<string, string>>();
  for (const entry of entries) {
    const stage = STAGE_SECTION.exec(entry.section)?.[1];
    if (stage !== undefined) {
      // Only the stage itself knows its options.
      stages.set(stage, { ...stages.get(stage), [entry.key]: entry.value });
      continue;
    }
    const keys = keysOf(entry);
    if (!Object.hasOwn(keys, entry.key)) {
      throw configError(`${entry.origin}: [${entry.section}] has no key ${entry.key}`, {
        advice: `keys of [${entry.section}]: ${Object.keys(keys).join(', ')}`,
      });
    }
    const given = sections.get(entry.section) ?? new Map<string, IniEntry>();
    sections.set(entry.section, given.set(entry.key, entry));
  }
  const settings: Record<string, unknown> = {};
  for (const [section, keys] of Object.entries(sectionSchemas)) {
    settings[section] = readSection(section, keys, sections.get(section));
  }
  const servers = new Map<string, ServerSettings>();
  const lsus = new Map<string, LsuSettings>();
  const policies = new Map<string, PolicySettings>();
  for (const [section, given] of sections) {
    const server = SERVER_SECTION.exec(section)?.[1]?.trim();
    const lsu = LSU_SECTION.exec(section)?.[1]?.trim();
    if (server !== undefined) servers.set(server, readSection(section, serverSchema, given) as ServerSettings);
    const policy = POLICY_SECTION.exec(section)?.[1]?.trim();
    if (lsu !== undefined) lsus.set(lsu, readSection(section, lsuSchema, given) as LsuSettings);
    if (policy !== undefined) policies.set(policy, readSection(section, stageFields, given) as PolicySettings);
  }
  for (const [name, server] of servers) checkServer(name, server);
  for (const lsu of lsus.keys()) {
    const server = lsu.split('/')[0] ?? '';
    if (!servers.has(server)) throw configError(`[lsu ${lsu}] names the server ${server}, which has no section`);
  }
  for (const name of servers.keys()) {
    for (const lsu of ['', ...lsusOf({ lsus }, name)]) {
      const problem = dataProblem({ servers, lsus }, name, lsu) ?? wormProblem(wormOf({ servers, lsus }, name, lsu));
      if (problem !== undefined)
        throw configError(`[${lsu === '' ? `server ${name}` : `lsu ${name}/${lsu}`}]: ${problem}`);
    }
  }
  const window = sections.get('performance')?.get('reorder_window_mb');
  return checkTogether({ ...settings, servers, lsus, policies, stages } as unknown as Settings, window);
}

/** The schema of the section that an entry stands in. */
function keysOf({ section, origin }: IniEntry): Record<string, z.ZodType> {
  if (Object.hasOwn(sectionSchemas, section)) return sectionSchemas[section as keyof Schema];
  const lsu = LSU_SECTION.exec(section)?.[1]?.trim();
  if (lsu !== undefined) {
    if (LSU_NAME.test(lsu)) return lsuSchema;
    throw configError(`${origin}: ${JSON.stringify(lsu)} names no LSU`, { advice: 'write [lsu SERVER/NAME]' });
  }
  const policy = POLICY_SECTION.exec(section)?.[1]?.trim();
  if (policy !== undefined) {
    if (POLICY_NAME.test(policy)) return stageFields;
    throw configError(`${origin}: ${JSON.stringify(policy)} cannot be a policy's name`, {
      advice: 'use letters, digits, dots, underscores, hyphens and plus signs, as in [policy Server01-Backup]',
    });
  }
  const name = SERVER_SECTION.exec(section)?.[1]?.trim();
  if (name === undefined) {
    throw configError(`${origin}: there is no section [${section}]`, {
      advice: `sections: ${Object.keys(sectionSchemas).join(', ')}, server NAME, lsu SERVER/NAME, policy NAME, stage NAME`,
    });
  }
  if (!SERVER_NAME.test(name)) {
    throw configError(`${origin}: ${JSON.stringify(name)} cannot be a storage server's name`, {
      advice: 'use letters, digits, dots, underscores and hyphens, as in [server vast1]',
    });
  }
  return serverSchema;
}

function readSection(
  section: string,
  keys: Readonly<Record<string, z.ZodType>>,
  given: ReadonlyMap<string, IniEntry> = new Map(),
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(keys)) {
    const entry = given.get(key);
    const parsed = schema.safeParse(entry?.value);
    if (!parsed.success) {
      const [any] = given.values();
      throw configError(
        entry === undefined
          ? `${any?.origin}: [${section}] needs the key ${key}`
          : `${entry.origin}: ${key} = ${shown(entry)}: ${parsed.error.issues[0]?.message}`,
      );
    }
    values[key] = parsed.data;
  }
  return values;
}

/** Somebody may have put a password into an address, or a key into a stage's options. */
function shown({ key, value }: IniEntry): string {
  return /stages$/.test(key) ? value.replace(/=[^\s,]*/g, '=…') : value.replace(/\/\/.*@/, '//…@');
}

function configError(message: string, options: { readonly advice?: string } = {}): EngineError {
  return new EngineError('VOST_CONFIG', 'usage', message, options);
}

function checkServer(name: string, server: ServerSettings): void {
  const { store, data, vms, vms_credentials_file: file } = server;
  if (data !== undefined && (data === 'nfs') !== store.startsWith('file:')) {
    throw configError(`[server ${name}]: data = ${data} does not fit its store`, {
      advice: 'with data = nfs the store is file:MOUNTPOINT, with data = s3 it is s3:URL',
    });
  }
  if (vms !== undefined && file === undefined) {
    throw configError(`[server ${name}]: vms needs vms_credentials_file`);
  }
  if (server.vip_pool === undefined) return;
  if (vms === undefined || !store.startsWith('s3:')) {
    throw configError(`[server ${name}]: vip_pool needs vms, and an S3 store`);
  }
  if (server.endpoints !== undefined || server.dns_name !== undefined) {
    throw configError(`[server ${name}]: give one of vip_pool, endpoints and dns_name`);
  }
}

/** What no key can check alone. */
function checkTogether(settings: Settings, givenWindow: IniEntry | undefined): Settings {
  checkMetrics(settings.metrics);
  const { chunk_size_mb, memory_budget_mb, compression } = settings.performance;
  // Slabs for the window and the one with the first missing byte; a quarter of the budget may wait in an unfinished part. With
  // less, a write far ahead would wait for ever for memory that only the missing bytes can free.
  const largest = Math.max(0, Math.floor((memory_budget_mb * 0.75) / chunk_size_mb) - 1) * chunk_size_mb;
  const reorder_window_mb = Math.min(settings.performance.reorder_window_mb, largest);
  const transforms = compression !== 'none' || stageLists(settings).some((stages) => stages.length > 0);
  // Compression and vendors' stages need room for what they make of a chunk, twice, beside the chunk.
  const perChunk = transforms ? 3 : 1;
  const needed = chunk_size_mb * (perChunk + 1) + Math.min(reorder_window_mb, chunk_size_mb);
  if (memory_budget_mb < needed) {
    throw new EngineError(
      'VOST_CONFIG',
      'usage',
      `a memory budget of ${memory_budget_mb / MIB} MiB is too small for chunks of ${chunk_size_mb / MIB} MiB`,
      {
        advice: `give at least ${Math.ceil(needed / MIB)} MiB, or make chunks smaller`,
      },
    );
  }
  if (givenWindow !== undefined && settings.performance.reorder_window_mb > largest) {
    throw new EngineError(
      'VOST_CONFIG',
      'usage',
      `${givenWindow.origin}: a memory budget of ${memory_budget_mb / MIB} MiB cannot hold a reorder window of ${givenWindow.value} MiB`,
      { advice: `make it ${largest / MIB} MiB at most, or raise memory_budget_mb` },
    );
  }
  return { ...settings, performance: { ...settings.performance, reorder_window_mb } };
}
