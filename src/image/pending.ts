import { z } from 'zod';
import { LEAF_BYTES } from '../bridge/bridge.ts';
import { ImageIdentitySchema } from './identity.ts';
import { ChunkBytes, decodeJson, NetBackupMetadataSchema, StageRecordSchema } from './manifest.ts';

/** Largest pending record that a reader accepts, bytes. */
export const MAX_PENDING_BYTES = 16 * 1024 * 1024;

/**
 * `pending`, version 1: what is known about an image that is being written. It is written before the first
 * part is sent, so every upload of a living image is named by one; whatever is not is garbage.
 */
export const PendingSchema = z.strictObject({
  format: z.literal('vast-ost-pending'),
  version: z.literal(1),
  /** Drawn afresh by every writer: two writers of the same image notice each other. */
  writer: z.uuid(),
  created: z.iso.datetime(),
  identity: ImageIdentitySchema,
  netbackup_metadata: NetBackupMetadataSchema,
  chain: z.array(StageRecordSchema).max(32),
  chunk_size: ChunkBytes,
  leaf_size: z.literal(LEAF_BYTES),
  /** The multipart uploads begun so far, one per fragment. */
  uploads: z.array(z.strictObject({ fragment: z.int().min(1), id: z.string().min(1).max(4096) })).max(100_000),
});
export type Pending = z.output<typeof PendingSchema>;

export function encodePending(pending: Pending): Uint8Array {
  return Buffer.from(`${JSON.stringify(PendingSchema.parse(pending), null, 2)}\n`, 'utf8');
}

/** Read a pending record; errors as for a manifest. */
export function decodePending(bytes: Uint8Array, where: string): Pending {
  return decodeJson(PendingSchema, bytes, where, 'vast-ost-pending');
}
