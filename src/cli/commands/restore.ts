import { EngineError } from '../../errors.ts';
import { findImage } from '../../image/catalog.ts';
import { ImageReader } from '../../image/image-reader.ts';
import { type ImageOutcome, imageSpan } from '../../image/image-span.ts';
import { formatDuration, formatSize } from '../../units.ts';
import { type AtSnapshot, type Context, openAt } from '../context.ts';
import { printJson } from '../output.ts';
import { ProgressLine } from '../progress.ts';
import { openTarget } from '../target.ts';

export interface RestoreOptions extends AtSnapshot {
  /** Bytes. */
  readonly offset?: number;
  /** Bytes. */
  readonly length?: number;
}

/** `vast-ost restore LSU IMAGE [FILE|-]` */
export function restore(
  context: Context,
  lsu: string,
  image: string,
  path: string,
  options: RestoreOptions,
): Promise<void> {
  return imageSpan('restore', { lsu, name: image }, (tell) => run(context, lsu, image, path, options, tell));
}

async function run(
  context: Context,
  lsu: string,
  image: string,
  path: string,
  options: RestoreOptions,
  tell: (outcome: ImageOutcome) => void,
): Promise<void> {
  const started = performance.now();
  const { signal, resources } = context;
  const store = await openAt(context, lsu, options);
  const entry = await findImage(store, image, signal);
  if (entry.state === 'pending') {
    throw new EngineError('VOST_IMAGE_PENDING', 'busy', `${image} in ${lsu} is not complete, so it cannot be restored`);
  }
  const reader = await ImageReader.open(store, resources, entry.imageId, signal);
  const target = await openTarget(path);
  let done = 0;
  const progress = new ProgressLine({
    verb: 'restore',
    total: options.length ?? reader.manifest.size - (options.offset ?? 0),
    output: process.stderr,
    sample: () => ({ bytes: done, partsInFlight: context.readAhead(), retries: context.retries() }),
  });
  try {
    const { offset, length } = options;
    await reader.read({ offset, length, readAhead: context.readAhead, signal }, async (data) => {
      await target.write(data);
      done += data.byteLength;
    });
    await target.finish();
    tell({ result: 'complete', bytes: done, stages: resources.meters.totals() });
  } catch (error) {
    await target.discard();
    throw error;
  } finally {
    progress.stop();
  }
  report(context, lsu, image, target.name, done, (performance.now() - started) / 1000);
}

function report(context: Context, lsu: string, image: string, target: string, bytes: number, seconds: number): void {
  const peak = process.resourceUsage().maxRSS * 1024;
  context.log.info({ image, lsu, bytes, seconds }, 'restored');
  if (context.json && target !== 'standard output') {
    printJson({
      image,
      lsu,
      bytes,
      target,
      seconds: Number(seconds.toFixed(3)),
      retries: context.retries(),
      peak_rss_bytes: peak,
    });
    return;
  }
  const rate = formatSize(Math.round(bytes / seconds));
  process.stderr.write(
    `${image} from ${lsu}: ${formatSize(bytes)} restored to ${target} and verified, ${formatDuration(seconds)} (${rate}/s), peak memory ${formatSize(peak)}\n`,
  );
}
