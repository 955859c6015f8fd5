import { z } from 'zod';
import { EngineError } from '../errors.ts';
import type { ObjectStore } from '../vast/store.ts';
import { isImageId } from './identity.ts';
import { decodeJson, Size } from './manifest.ts';
import { readRecord } from './read-record.ts';

/** Beside the images and of none of them: where the scrub of an LSU is. Documented in docs/image-format.md. */
export const SCRUB_KEY = 'vast-ost/scrub.json';
const MAX_STATE_BYTES = 16 * 1024;

const FORMAT = 'vast-ost-scrub';
const Time = z.iso.datetime();
const ImageId = z.string().max(200).refine(isImageId, 'is no image id');
const Totals = { images: Size, bytes: Size, damaged: Size };

const ScrubStateSchema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(1),
  /** The round that goes on: which images are done, in the order of their ids. Absent between two rounds. */
  round: z
    .strictObject({
      began: Time,
      /** Last image that is done; absent before the first. */
      after: ImageId.optional(),
      /** The image after it, as far as it was verified: logical bytes, and when it was committed. */
      within: z.strictObject({ image: ImageId, committed: Time, offset: Size }).optional(),
      ...Totals,
    })
    .optional(),
  /** The last round that came to its end. */
  last: z.strictObject({ began: Time, ended: Time, ...Totals }).optional(),
  /** Who is at it, and until when others should believe that. */
  by: z.strictObject({ name: z.string().min(1).max(256), until: Time }).optional(),
});
export type ScrubState = z.output<typeof ScrubStateSchema>;
export type ScrubRound = NonNullable<ScrubState['round']>;

/** Where the scrub of an LSU is; that of a new one when there is no record, or none that makes sense: it is a place to go on from, nothing more. */
export async function readScrubState(store: ObjectStore, signal?: AbortSignal): Promise<ScrubState> {
  try {
    const decode = (bytes: Uint8Array, where: string) => decodeJson(ScrubStateSchema, bytes, where, FORMAT);
    return await readRecord(store, SCRUB_KEY, MAX_STATE_BYTES, decode, signal);
  } catch (error) {
    const harmless = error instanceof EngineError && (error.failure === 'not-found' || error.failure === 'integrity');
    if (!harmless) throw error;
    return { format: FORMAT, version: 1 };
  }
}

/** Replace the record, and drop the one before where the LSU keeps versions. */
export async function writeScrubState(store: ObjectStore, state: ScrubState, signal?: AbortSignal): Promise<void> {
  await store.put(SCRUB_KEY, [Buffer.from(`${JSON.stringify(ScrubStateSchema.parse(state))}\n`)], { signal });
  // What cannot go now goes with the next one.
  await store.history?.purge([SCRUB_KEY], { signal }).catch(() => undefined);
}
