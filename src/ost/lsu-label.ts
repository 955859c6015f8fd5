import { z } from 'zod';
import { failureOf } from '../errors.ts';
import { decodeJson } from '../image/manifest.ts';
import { readRecord } from '../image/read-record.ts';
import type { ObjectStore, RequestOptions } from '../vast/store.ts';
import { invalid } from './errors.ts';

/** Beside the images, so that every media server sees the same label. Documented in docs/service.md. */
const KEY = 'vast-ost/lsu.json';
const MAX_RECORD_BYTES = 4096;

const Label = z
  .string()
  .max(255)
  .regex(/^\P{Cc}*$/u, 'has control characters')
  .refine((text) => Buffer.byteLength(text) <= 255 && text.isWellFormed(), 'has more than 255 bytes');
const Record = z.object({ format: z.literal('vast-ost-lsu'), version: z.literal(1), label: Label });

/** The label that stsp_label_lsu gave; '' when there is none, or none that makes sense. */
export async function readLabel(store: ObjectStore, options: RequestOptions = {}): Promise<string> {
  try {
    const decode = (bytes: Uint8Array, where: string) => decodeJson(Record, bytes, where, 'vast-ost-lsu');
    return (await readRecord(store, KEY, MAX_RECORD_BYTES, decode, options.signal)).label;
  } catch (error) {
    if (['not-found', 'integrity', 'unsupported'].includes(failureOf(error))) return '';
    throw error;
  }
}

/** Throws class `usage` for a label that cannot be stored. */
export async function writeLabel(store: ObjectStore, label: string, options: RequestOptions = {}): Promise<void> {
  const parsed = Label.safeParse(label);
  if (!parsed.success) throw invalid(`the label ${parsed.error.issues[0]?.message}`);
  const record = { format: 'vast-ost-lsu', version: 1, label: parsed.data };
  await store.put(KEY, [Buffer.from(`${JSON.stringify(record)}\n`)], options);
}
