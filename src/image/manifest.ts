import { z } from 'zod';
import { LEAF_BYTES } from '../bridge/bridge.ts';
import { EngineError } from '../errors.ts';
import type { ImageInfo } from '../stage-api/index.ts';
import { ImageIdentitySchema } from './identity.ts';
import { TERM } from './names.ts';

/** Largest manifest that a reader accepts, bytes. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** Largest chunk of the format, bytes. */
export const MAX_CHUNK_BYTES = 1024 * 1024 * 1024;

export const Size = z.int().min(0);
export const Hex256 = z.string().regex(/^[0-9a-f]{64}$/);
const Time = z.iso.datetime();
const Text = z.string().max(1024);

export const ChunkBytes = z.int().min(LEAF_BYTES).max(MAX_CHUNK_BYTES).multipleOf(LEAF_BYTES);

export const StageRecordSchema = z.strictObject({
  name: z.string().regex(/^(@[a-z0-9._-]+\/)?[a-z][a-z0-9-]{0,63}$/),
  version: z.string().regex(/^[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}$/),
  options: z.record(z.string().max(64), z.json()),
});

export const NetBackupMetadataSchema = z.strictObject({ policy: Text, schedule: Text, client: Text });
export type NetBackupMetadata = z.output<typeof NetBackupMetadataSchema>;

/** Largest blob of the host, bytes, and how many an image may have. */
export const MAX_META_BYTES = 16 * 1024 * 1024;
export const MAX_METAS = 64;

/** A blob of the host. Its object is written once: a blob that is replaced gets a new name. */
export const MetaSchema = z.strictObject({
  /** By which the host knows it. */
  index: z
    .int()
    .min(0)
    .max(MAX_METAS - 1),
  name: z.string().regex(new RegExp(`^meta-[0-9]{1,9}(\\.${TERM})?$`)),
  size: z.int().min(0).max(MAX_META_BYTES),
  sha256: Hex256,
});
export type MetaRecord = z.output<typeof MetaSchema>;
export const MetasSchema = z.array(MetaSchema).max(MAX_METAS);

/** Who has an image open through a handle. */
export const Creator = z.string().min(1).max(256);

/** `image.meta`, version 1. Field by field in docs/image-format.md. */
export const ManifestSchema = z.strictObject({
  format: z.literal('vast-ost-image'),
  version: z.literal(1),
  image_name: Text,
  creation_date: Time,
  /** Logical bytes. */
  size: Size,
  fragments: z
    .array(z.strictObject({ name: z.string().regex(new RegExp(`^fragment-[0-9]{6,9}(\\.${TERM})?$`)), size: Size }))
    .max(100_000),
  /** Tree hash over all leaves. */
  checksum: z.string().regex(/^sha256-tree:[0-9a-f]{64}$/),
  /** Plain SHA-256 of the image, when it was asked for. */
  sha256: Hex256.optional(),
  netbackup_metadata: NetBackupMetadataSchema,
  identity: ImageIdentitySchema,
  chain: z.array(StageRecordSchema).max(32),
  chunk_size: ChunkBytes,
  leaf_size: z.literal(LEAF_BYTES),
  index: z.strictObject({
    size: Size,
    /** Bytes at the end of the index that hold its footer. */
    footer: z.int().min(0),
    /** SHA-256 of the footer, and through it of every page and leaf. */
    sha256: Hex256,
    /** Absent when it is `index`. */
    name: z
      .string()
      .regex(new RegExp(`^index\\.${TERM}$`))
      .optional(),
  }),
  /** Blobs of the host, by ascending index. Absent when there are none. */
  metas: MetasSchema.optional(),
  /** The handle that the image was written through, if it was: an attach after a lost answer finds its own work by it. */
  creator: Creator.optional(),
  /** The lock that the image was to get when it was committed; how long it is locked now only the store knows. */
  lock: z.strictObject({ until: Time, mode: z.enum(['governance', 'compliance']) }).optional(),
  committed: Time,
  written_by: Text,
});
export type Manifest = z.output<typeof ManifestSchema>;

/** What stages are told of an image. */
export function imageInfoOf(
  lsu: string,
  { identity, netbackup_metadata: { policy, schedule, client } }: Pick<Manifest, 'identity' | 'netbackup_metadata'>,
): ImageInfo {
  return { lsu, name: identity.basename, date: identity.date, policy, schedule, client };
}

export function encodeManifest(manifest: Manifest): Uint8Array {
  return Buffer.from(`${JSON.stringify(ManifestSchema.parse(manifest), null, 2)}\n`, 'utf8');
}

/** Read a manifest. It is hostile input: class `unsupported` for a format we do not know, `integrity` for anything malformed. */
export function decodeManifest(bytes: Uint8Array, where: string): Manifest {
  return decodeJson(ManifestSchema, bytes, where, 'vast-ost-image');
}

/** Parse and check one of our JSON records. */
export function decodeJson<T>(schema: z.ZodType<T>, bytes: Uint8Array, where: string, format: string): T {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new EngineError('VOST_BAD_RECORD', 'integrity', `${where} is not valid JSON`, { cause });
  }
  const { format: found, version } = (json ?? {}) as { format?: unknown; version?: unknown };
  if (found === format && typeof version === 'number' && version !== 1) {
    throw new EngineError(
      'VOST_FORMAT_VERSION',
      'unsupported',
      `${where} has format version ${version}; this engine reads version 1`,
      {
        advice: 'use the release that wrote it, or a later one',
      },
    );
  }
  const parsed = parse(schema, json);
  if (parsed?.success) return parsed.data;
  const [issue] = parsed?.error.issues ?? [];
  const what = issue ? `malformed at ${issue.path.join('.') || 'its top'}: ${issue.message}` : 'nested too deeply';
  throw new EngineError('VOST_BAD_RECORD', 'integrity', `${where} is ${what}`);
}

/** Undefined for what is nested so deeply that it cannot be walked: only the free form of a stage's options can be. */
function parse<T>(schema: z.ZodType<T>, json: unknown): z.ZodSafeParseResult<T> | undefined {
  try {
    return schema.safeParse(json);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
