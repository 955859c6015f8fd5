import { z } from 'zod';
import { parseDuration, parseSize } from '../units.ts';
import { Count } from './fields.ts';
import { MOST_LANES } from './lanes.ts';
import { stageFields } from './stage-fields.ts';
import { vipFields } from './vip-fields.ts';
import { Period, wormSchema } from './worm-schema.ts';

/** A list of user or group numbers: `0, 1001`. */
const Numbers = z
  .string()
  .regex(/^[0-9]+(\s*,\s*[0-9]+)*$/, 'give numbers separated by commas')
  .transform((text) => text.split(',').map(Number));

/** `[engine]`: the service that NetBackup's processes talk to. Documented in docs/service.md. */
export const engineSchema = {
  /** Unix socket to listen on. */
  socket: z.string().startsWith('/').max(100).default('/run/vast-ost/ost.sock'),
  /** Permissions of the socket, octal. */
  socket_mode: z
    .string()
    .regex(/^0?[0-7]{3}$/, 'give an octal mode such as 0660')
    .default('0660')
    .transform((text) => Number.parseInt(text, 8)),
  /** User number that owns the socket. */
  socket_uid: Count(0, 2 ** 32 - 2).optional(),
  /** Group number of the socket. */
  socket_gid: Count(0, 2 ** 32 - 2).optional(),
  /** Users that may connect; default: root and the engine's own. */
  allowed_uids: Numbers.optional(),
  /** Users whose primary group is one of these may connect as well. */
  allowed_gids: Numbers.optional(),
  /** Folder for the little that the engine keeps: the event logs. */
  state_dir: z.string().startsWith('/').default('/var/lib/vast-ost'),
  /** Host processes at the same time. */
  max_sessions: Count(1, 65_535).default(1024),
  /** Open images of one host process. */
  max_handles: Count(1, 65_535).default(1024),
  /** Slots that an image being written may hold. */
  slots_per_image: Count(2, 1024).default(8),
  /** Threads that work on images; `auto`: by the number of processors, 0: the main thread does. */
  lanes: z.union([z.literal('auto'), Count(0, MOST_LANES)]).default('auto'),
  /** How long a stopping engine lets running calls finish, seconds. */
  drain_seconds: Count(0, 3600).default(60),
  /** After so long without a sign of life of its writer another media server may take an image over, milliseconds. */
  writer_lease: z
    .string()
    .transform((text) => parseDuration(text))
    .pipe(z.number('give a time such as 15m').min(1000, 'give 1s at least').max(86_400_000, 'give 24h at most'))
    .default(900_000),
} as const;

/** `https://HOST[:PORT]`, nothing more: a password has no place here. */
const VmsAddress = z
  .string()
  .refine(
    (text) => /^https:\/\/[^/?#@\s]+\/?$/.test(text) && URL.canParse(text),
    'give https://HOST or https://HOST:PORT',
  );
/** What may stand in a header and in a path. */
const PlainName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'use letters, digits, dots, underscores, hyphens');
const Names = z
  .string()
  .regex(/^[A-Za-z0-9._:*/-]+(\s*,\s*[A-Za-z0-9._:*/-]+)*$/, 'give names or addresses separated by commas')
  .transform((text) => text.split(',').map((name) => name.trim()));

export const DEFAULT_HIGH_WATER = 95;
const DEFAULT_SCRUB_RATE = 50 * 2 ** 20;
/** A chunk that is waited for longer than minutes would hold up a stopping scrub. */
const MIN_SCRUB_RATE = 2 ** 20;
const Rate = z
  .string()
  .transform((text) => parseSize(text))
  .pipe(z.number('give a size such as 50M').min(MIN_SCRUB_RATE, 'give 1M at least'));

export const DEFAULT_EVENT_INTERVAL_MS = 60_000;
const Interval = z
  .string()
  .transform((text) => parseDuration(text))
  .pipe(z.number('give a time such as 30s or 5m').min(1000, 'give 1s at least').max(3_600_000, 'give 1h at most'));

/** `[server NAME]`: one storage server, which NetBackup knows as `VastData:NAME`. */
export const serverSchema = {
  /** `file:DIR` or `s3:http(s)://host:port`; its LSUs are the server's. */
  store: z.string().min(1),
  /** For people; shown with the LSUs. */
  label: z.string().max(120).default(''),
  /** Per cent of an LSU from which on hosts are told that it is nearly full. */
  high_water: Count(1, 100).default(DEFAULT_HIGH_WATER),
  s3_region: z.string().min(1).optional(),
  s3_ca_file: z.string().min(1).optional(),
  /** File with `access_key_id` and `secret_access_key`, readable by the engine alone; default: what AWS tools use. */
  s3_credentials_file: z.string().startsWith('/').optional(),
  /** Verify every image of its LSUs so often; without it none is verified unasked. */
  scrub_interval: Period.optional(),
  /** Stored bytes that this reads a second. */
  scrub_rate: Rate.default(DEFAULT_SCRUB_RATE),
  ...wormSchema,
  ...stageFields,
  /** Management address of the VAST cluster; docs/vast.md has all of what follows. */
  vms: VmsAddress.optional(),
  /** PEM file with the authorities of VMS, beside the public ones. */
  vms_ca_file: z.string().startsWith('/').optional(),
  /** File with `user` and `password`, or `token`, or `certificate`. */
  vms_credentials_file: z.string().startsWith('/').optional(),
  /** How often VMS is asked for its events and alarms, milliseconds. */
  event_interval: Interval.default(DEFAULT_EVENT_INTERVAL_MS),
  tenant: PlainName.optional(),
  /** The data VIPs are those that VMS knows of this pool. */
  vip_pool: PlainName.optional(),
  /** How images reach the cluster; must fit `store`. */
  data: z.enum(['s3', 'nfs']).optional(),
  /** Directory on the cluster below which the LSUs lie. */
  view_path: z
    .string()
    .regex(/^(\/[A-Za-z0-9._-]+)+$/, 'give an absolute path without a trailing slash')
    .max(512)
    .default('/vast-ost'),
  /** LSUs that provisioning makes, beside those with sections `[lsu SERVER/NAME]`. */
  lsus: Names.optional(),
  /** An existing view policy; default: one that provisioning makes. */
  view_policy: PlainName.optional(),
  /** Owner of the buckets. Default: `vast-ost-NAME`. */
  s3_user: PlainName.optional(),
  /** Who may mount, with `data = nfs`: addresses, networks, names. */
  nfs_clients: Names.optional(),
  /** Uploads that nobody finished are dropped by the cluster after so many days. */
  abort_uploads_days: Count(1, 3650).default(7),
  /** Age at which the S3 keys and the API token are replaced, hours; 0 is never. */
  rotate_hours: Count(0, 8760).default(24),
  ...vipFields,
} as const;
