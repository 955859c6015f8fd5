import { EngineError, failureOf } from '../errors.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { StoredChunk } from '../stages/packer.ts';
import type { ObjectInfo, ObjectStore } from '../vast/store.ts';
import { ImageReader } from './image-reader.ts';
import { imagePrefix, MANIFEST } from './names.ts';
import type { Pace } from './pace.ts';
import { scanFolders } from './scan.ts';
import { ScrubLog, type ScrubRecord } from './scrub-log.ts';
import { verifyImage } from './verify-image.ts';

/** A listing that is older than this is begun anew where it was: images come and go, and stores forget listings. */
const LISTING_MS = 600_000;

/** What became of one image. */
export interface ScrubbedImage {
  readonly imageId: string;
  /** Logical bytes verified now. */
  readonly bytes: number;
  /** Absent when all is well. Class `integrity` or `not-found`: damage. Class `unsupported`: written by a newer version, passed over. */
  readonly error?: EngineError;
}

export interface ScrubOptions {
  /** Who scrubs, at most 256 characters; two scrubs at the same time have different names. */
  readonly name: string;
  /** For stored bytes; several scrubs may share one. Default: no bound. */
  readonly pace?: Pace | undefined;
  /** Stop after so long, milliseconds. Default: at the end of the round. */
  readonly forMs?: number | undefined;
  /** Begin a round only when the last one began so long ago, milliseconds, and only when nobody else is at it. Default: at once, in the other's place. */
  readonly everyMs?: number | undefined;
  readonly readAhead: number | (() => number);
  readonly signal?: AbortSignal | undefined;
  /** Told for each image that was verified to its end, or is damaged. */
  readonly onImage?: ((image: ScrubbedImage) => void | Promise<void>) | undefined;
  /** Told of stored bytes that are read. */
  readonly onRead?: ((bytes: number) => void) | undefined;
  /** Told what the LSU's record says: when it is written, and when no round is due. */
  readonly onRecord?: ((record: ScrubRecord) => void) | undefined;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

export interface ScrubResult {
  /**
   * `finished`: every image has been verified in this round. `time`: the rest waits for the next run. `taken`: another scrub went on in our place.
   * `not-due`: a round is not due, or another scrub is at it.
   */
  readonly end: 'finished' | 'time' | 'taken' | 'not-due';
  /** Images done in this run, and logical bytes verified. */
  readonly images: number;
  readonly bytes: number;
  readonly damaged: number;
}

/**
 * Verify the complete images of an LSU in rounds, each in the order of the ids: so the next one is always the one that was verified longest ago. A run
 * goes on where the last one ended, inside an image too, and ends with the round or its time. Damage of one image does not keep it from the
 * others. Throws what keeps it from going on: storage that does not answer, `access`, `aborted`; where it was is noted before.
 */
export async function scrub(store: ObjectStore, resources: Resources, options: ScrubOptions): Promise<ScrubResult> {
  const { signal, now = Date.now, forMs = Infinity } = options;
  const log = await ScrubLog.begin(store, options, now);
  const done = { images: 0, bytes: 0, damaged: 0 };
  if (log === undefined) return { end: 'not-due', ...done };
  const end = now() + forMs;
  try {
    for (let again = true; again; ) {
      again = false;
      const listed = now();
      for await (const { imageId, complete, objects } of scanFolders(store, '', signal, log.after)) {
        if (!complete) continue;
        if (now() >= end) return { end: 'time', ...done };
        const outcome = await one(imageId, objects.get(MANIFEST));
        if (outcome === 'time' || outcome === 'taken') return { end: outcome, ...done };
        again = now() - listed > LISTING_MS;
        if (again) break;
      }
    }
    await log.finish();
    return { end: 'finished', ...done };
  } finally {
    await log.leave();
  }

  async function one(imageId: string, info: ObjectInfo | undefined): Promise<'done' | 'time' | 'taken'> {
    /** Logical bytes before this one were verified by earlier runs. */
    let from = 0;
    let verified = 0;
    let stopped: 'time' | 'taken' | undefined;
    try {
      const reader = await ImageReader.open(store, resources, imageId, signal);
      const { committed } = reader.manifest;
      const begin = log?.offsetIn(imageId, committed) ?? 0;
      from = begin;
      const subset = async (chunk: StoredChunk): Promise<boolean> => {
        if (stopped !== undefined || chunk.offset + chunk.length <= begin) return false;
        if (now() >= end) stopped = 'time';
        else if ((await log?.save()) === 'taken') stopped = 'taken';
        if (stopped !== undefined) return false;
        await options.pace?.take(chunk.storedLength, signal);
        options.onRead?.(chunk.storedLength);
        // It ended inside this chunk, or before it.
        from = Math.min(from, chunk.offset);
        return true;
      };
      const onProgress = (bytes: number): void => {
        done.bytes += bytes - verified;
        verified = bytes;
        log?.within({ image: imageId, committed, offset: from + verified });
      };
      await verifyImage(reader, { subset, readAhead: options.readAhead, signal, onProgress });
      if (stopped !== undefined) return stopped;
      await settle({ imageId, bytes: verified }, from + verified);
    } catch (error) {
      if (!(error instanceof EngineError) || !['integrity', 'not-found', 'unsupported'].includes(failureOf(error)))
        throw error;
      // Deleted, or written anew, while we read: no damage.
      const present = await store.head(`${imagePrefix(imageId)}${MANIFEST}`, { signal });
      if (present === undefined || present.etag !== info?.etag) log?.pass(imageId, from + verified, false);
      else await settle({ imageId, bytes: verified, error }, from + verified);
    }
    return (await log?.save()) === 'taken' ? 'taken' : 'done';
  }

  async function settle(image: ScrubbedImage, inRound: number): Promise<void> {
    const damaged = image.error !== undefined && image.error.failure !== 'unsupported';
    done.images += 1;
    done.damaged += damaged ? 1 : 0;
    log?.pass(image.imageId, inRound, damaged);
    await options.onImage?.(image);
  }
}
