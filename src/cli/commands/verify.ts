import { EngineError, type FailureClass } from '../../errors.ts';
import { findImage, listImages } from '../../image/catalog.ts';
import { ImageReader } from '../../image/image-reader.ts';
import { imageSpan } from '../../image/image-span.ts';
import { parseSubset } from '../../image/subset.ts';
import { type VerifyResult, verifyImage } from '../../image/verify-image.ts';
import { formatSize } from '../../units.ts';
import type { ObjectStore } from '../../vast/store.ts';
import { type AtSnapshot, type Context, openAt } from '../context.ts';
import { printJson } from '../output.ts';
import { ProgressLine } from '../progress.ts';

/** What is said about one image and keeps nobody from the next; damage may look like a version that is newer than ours. */
const FAILED: ReadonlySet<FailureClass> = new Set<FailureClass>(['integrity', 'not-found', 'unsupported']);

export interface VerifyCommandOptions extends AtSnapshot {
  /** `n/t`, `x%` or a size: read only that much. */
  readonly subset?: string;
  /** Of all images only those that were completed longer ago, milliseconds. */
  readonly olderThan?: number;
  /** Of all images only those that were completed more recently, milliseconds. */
  readonly newerThan?: number;
}

/** `vast-ost verify LSU [IMAGE] [--subset S]`: one image, or every complete image of the LSU, or those of an age. */
export async function verify(
  context: Context,
  lsu: string,
  image: string | undefined,
  options: VerifyCommandOptions,
): Promise<void> {
  const { subset } = options;
  const store = await openAt(context, lsu, options);
  const failed: EngineError[] = [];
  for (const imageId of await chosen(context, store, image, options)) {
    try {
      await imageSpan('verify', { lsu, imageId }, async (tell) => {
        const { bytes } = await verifyOne(context, store, imageId, subset);
        tell({ result: 'complete', bytes });
      });
    } catch (error) {
      // Damage in one image must not hide that in the next.
      if (!(error instanceof EngineError) || !FAILED.has(error.failure)) throw error;
      if (context.json)
        printJson({
          image_id: imageId,
          result: 'damaged',
          code: error.code,
          message: error.message,
          details: error.details,
        });
      else process.stdout.write(`${imageId}  DAMAGED  ${error.message}\n`);
      failed.push(error);
    }
  }
  const [first] = failed;
  if (first !== undefined) {
    throw new EngineError(
      first.code,
      failed.every(({ failure }) => failure === 'unsupported') ? 'unsupported' : 'integrity',
      `${failed.length} image(s) in ${lsu} failed verification; the first: ${first.message}`,
      { cause: first },
    );
  }
}

async function chosen(
  context: Context,
  store: ObjectStore,
  image: string | undefined,
  { olderThan, newerThan }: VerifyCommandOptions,
): Promise<string[]> {
  if (image !== undefined) {
    if (olderThan !== undefined || newerThan !== undefined) {
      throw new EngineError('VOST_AGE', 'usage', 'an age chooses among all images, and an image was named', {
        advice: 'leave out the image, or --older-than and --newer-than',
      });
    }
    return [(await findImage(store, image, context.signal)).imageId];
  }
  const now = Date.now();
  const ids: string[] = [];
  for await (const entry of listImages(store, '', context.signal)) {
    if (entry.state === 'pending') continue;
    // The age of a damaged one is not known: it is never passed over.
    const ageMs = entry.state === 'complete' ? now - Date.parse(entry.manifest.committed) : undefined;
    const fits = ageMs === undefined || (ageMs >= (olderThan ?? -Infinity) && ageMs < (newerThan ?? Infinity));
    if (fits) ids.push(entry.imageId);
  }
  return ids;
}

async function verifyOne(
  context: Context,
  store: ObjectStore,
  imageId: string,
  subset: string | undefined,
): Promise<VerifyResult> {
  const { signal, resources } = context;
  const reader = await ImageReader.open(store, resources, imageId, signal);
  let verified = 0;
  const progress = new ProgressLine({
    verb: 'verify',
    total: subset === undefined ? reader.manifest.size : undefined,
    output: process.stderr,
    sample: () => ({ bytes: verified, partsInFlight: context.readAhead(), retries: context.retries() }),
  });
  try {
    const result = await verifyImage(reader, {
      readAhead: context.readAhead,
      signal,
      subset: subset === undefined ? undefined : parseSubset(subset, reader.manifest.size),
      onProgress: (bytes) => {
        verified = bytes;
      },
    });
    progress.stop();
    if (context.json) printJson({ image_id: imageId, result: 'ok', ...result, size: reader.manifest.size });
    else
      process.stdout.write(
        `${imageId}  ok  ${formatSize(result.bytes)} of ${formatSize(reader.manifest.size)} in ${result.chunks} chunks\n`,
      );
    return result;
  } finally {
    progress.stop();
  }
}
