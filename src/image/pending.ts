import { z } from 'zod';
import { LEAF_BYTES } from '../bridge/bridge.ts';
import { ImageIdentitySchema } from './identity.ts';
import {
  ChunkBytes,
  Creator,
  decodeJson,
  Hex256,
  MAX_CHUNK_BYTES,
  MetasSchema,
  NetBackupMetadataSchema,
  Size,
  StageRecordSchema,
} from './manifest.ts';
import { TERM } from './names.ts';

/** Largest pending record that a reader accepts, bytes. */
export const MAX_PENDING_BYTES = 16 * 1024 * 1024;

/** From when on a term's names count. */
const TermRecordSchema = z.strictObject({
  term: z.string().regex(new RegExp(`^${TERM}$`)),
  /** Journal objects behind so many, and the fragments that their chunks are in, have names of this term, up to the next one. */
  journal: z.int().min(0).max(1_000_000),
});
export type TermRecord = z.output<typeof TermRecordSchema>;

/**
 * What makes an image continuable: written by a handle when it begins, and again when it is closed incomplete. Everything that is
 * named here is never overwritten, so it stays good whatever happens to the writer that has the image open.
 */
export const HandleRecordSchema = z.strictObject({
  creator: Creator,
  /** The creator has it open. */
  open: z.boolean(),
  /** Logical bytes kept. */
  size: Size,
  /** Journal objects, from the first one, that hold the index of what is kept. */
  journal: z.int().min(0).max(1_000_000),
  /** Terms in which others took the image from a writer that had left it open, in order. Absent as long as nobody had to. */
  terms: z.array(TermRecordSchema).min(1).max(100_000).optional(),
  /** The kept bytes of the last, short chunk; length and digest are those of the image's own bytes. */
  tail: z
    .strictObject({
      name: z.string().regex(new RegExp(`^tail-[0-9]{6,9}(\\.${TERM})?$`)),
      size: z.int().min(1).max(MAX_CHUNK_BYTES),
      sha256: Hex256,
      /** Length of the object, which the image's transforms made. Absent when it has none. */
      stored: z.int().min(1).optional(),
    })
    .optional(),
  /**
   * State of the running SHA-256 after the last whole chunk kept, base64; empty before the first. Absent when the plain digest is not
   * wanted.
   */
  sha256_state: z.base64().max(1024).optional(),
  metas: MetasSchema,
});
export type HandleRecord = z.output<typeof HandleRecordSchema>;

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
  /** The upload of the manifest that commits the image: whoever takes the image from this writer aborts it first. */
  fence: z.string().min(1).max(4096).optional(),
  /** Absent when the image cannot be continued. */
  handle: HandleRecordSchema.optional(),
});
export type Pending = z.output<typeof PendingSchema>;

export function encodePending(pending: Pending): Uint8Array {
  return Buffer.from(`${JSON.stringify(PendingSchema.parse(pending), null, 2)}\n`, 'utf8');
}

/** Read a pending record; errors as for a manifest. */
export function decodePending(bytes: Uint8Array, where: string): Pending {
  return decodeJson(PendingSchema, bytes, where, 'vast-ost-pending');
}
