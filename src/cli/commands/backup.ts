import { compressionStages } from '../../config/compression.ts';
import { streamsOf } from '../../config/streams.ts';
import { EngineError } from '../../errors.ts';
import { type ImageOutcome, imageSpan } from '../../image/image-span.ts';
import { ImageWriter } from '../../image/image-writer.ts';
import type { Manifest } from '../../image/manifest.ts';
import { formatDuration, formatSize } from '../../units.ts';
import { routedStore, routeOf } from '../../vendor-stages/vendor-router.ts';
import { type Context, openLsu } from '../context.ts';
import { lockPolicyFor } from '../lock-policy.ts';
import { printJson } from '../output.ts';
import { ProgressLine } from '../progress.ts';
import { openSource, type Source } from '../source.ts';

export interface BackupOptions {
  readonly createLsu?: boolean;
  readonly date?: string;
  readonly policy?: string;
  readonly schedule?: string;
  readonly client?: string;
  readonly sha256?: boolean;
}

/** `vast-ost backup LSU IMAGE [FILE|-]` */
export function backup(
  context: Context,
  lsu: string,
  image: string,
  path: string,
  options: BackupOptions,
): Promise<void> {
  return imageSpan('backup', { lsu, name: image }, (tell) => run(context, lsu, image, path, options, tell));
}

async function run(
  context: Context,
  wantedLsu: string,
  image: string,
  path: string,
  options: BackupOptions,
  tell: (outcome: ImageOutcome) => void,
): Promise<void> {
  const started = performance.now();
  const { performance: tuning } = context.settings;
  const date = options.date ?? String(Math.floor(Date.now() / 1000));
  const metadata = { policy: options.policy ?? '', schedule: options.schedule ?? '', client: options.client ?? '' };
  const { transforms, observers, routers } = context.stagesOf(wantedLsu, metadata.policy);
  const route = await routeOf(routers, { lsu: wantedLsu, name: image, date, ...metadata }, context.signal);
  const lsu = route.lsu ?? wantedLsu;
  const store = routedStore(await openLsu(context, lsu, options.createLsu), route);
  const source = await openSource(path);
  try {
    const writer = await ImageWriter.create(store, context.resources, {
      identity: {
        basename: image,
        date,
        full_name: options.policy ?? '',
        qualifiers: [],
      },
      metadata,
      stages: [...compressionStages(tuning.compression, context.resources.stages), ...transforms],
      observers,
      chunkBytes: tuning.chunk_size_mb,
      partBytes: tuning.part_size_mb,
      parallelParts: streamsOf(tuning.parallel_streams),
      window: tuning.reorder_window_mb,
      flatDigest: options.sha256 === true,
      lock: lockPolicyFor(context, lsu),
      signal: context.signal,
    });
    const manifest = await copy(context, source, writer);
    const { stored } = writer.progress;
    tell({ result: 'complete', bytes: manifest.size, stored, stages: context.resources.meters.totals() });
    report(context, lsu, manifest, writer, (performance.now() - started) / 1000);
  } finally {
    await source.close();
  }
}

async function copy(context: Context, source: Source, writer: ImageWriter): Promise<Manifest> {
  const progress = new ProgressLine({
    verb: 'backup',
    total: source.size,
    output: process.stderr,
    sample: () => {
      const { accepted, partsInFlight } = writer.progress;
      return { bytes: accepted, partsInFlight, retries: context.retries() };
    },
  });
  try {
    let offset = 0;
    for await (const block of source.blocks(context.signal)) {
      await writer.write(offset, block);
      offset += block.byteLength;
    }
    if (source.size !== undefined && offset < source.size) {
      throw new EngineError(
        'VOST_SOURCE_SHRANK',
        'usage',
        `${source.name} ended after ${offset} of ${source.size} bytes`,
      );
    }
    return await writer.commit();
  } catch (error) {
    const left = await writer.abort(error as Error);
    for (const cause of left)
      context.log.warn({ err: cause, image: writer.imageId }, 'could not clean up; gc will name what is left');
    throw error;
  } finally {
    progress.stop();
  }
}

function report(context: Context, lsu: string, manifest: Manifest, writer: ImageWriter, seconds: number): void {
  const { stored } = writer.progress;
  const result = {
    image: manifest.image_name,
    date: manifest.identity.date,
    image_id: writer.imageId,
    lsu,
    size: manifest.size,
    stored,
    fragments: manifest.fragments.length,
    checksum: manifest.checksum,
    ...(manifest.lock ? { locked_until: manifest.lock.until } : {}),
    ...(manifest.sha256 ? { sha256: manifest.sha256 } : {}),
    seconds: Number(seconds.toFixed(3)),
    retries: context.retries(),
    peak_rss_bytes: process.resourceUsage().maxRSS * 1024,
  };
  context.log.info(result, 'image complete');
  if (context.json) {
    printJson(result);
    return;
  }
  const rate = formatSize(Math.round(manifest.size / seconds));
  process.stderr.write(
    `${manifest.image_name}:${manifest.identity.date} is complete in ${lsu}: ${formatSize(manifest.size)}, ${formatSize(stored)} stored, ` +
      `${formatDuration(seconds)} (${rate}/s), ${result.retries} retries, peak memory ${formatSize(result.peak_rss_bytes)}\n`,
  );
}
