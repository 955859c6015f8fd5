import { streamsOf } from '../../config/streams.ts';
import { lockedUntil } from '../../image/image-lock.ts';
import { ImageSpan } from '../../image/image-span.ts';
import { StageMeters } from '../../pipeline/stage-meters.ts';
import type { Session } from '../session.ts';
import { IMAGE_FLAG } from '../wire/constants.ts';
import type { WireImageOpened } from '../wire/groups.ts';
import { infoOfManifest } from './image-info.ts';
import { recordOf } from './image-record.ts';
import type { ImagePlace } from './open-image.ts';
import { subjectOf } from './place.ts';
import { ReadImage } from './read-image.ts';

const MIB = 1024 * 1024;
/** Ranges are never cut shorter than this to spare memory. */
const LEAST_RANGE = 4 * MIB;

/** Open a complete image for reading. */
export async function openReader(
  session: Session,
  number: bigint,
  place: ImagePlace,
): Promise<{ readonly image: ReadImage; readonly answer: WireImageOpened }> {
  const { services, imageHost: host } = session;
  const { resources, grants } = services.memory.of(place.server.storageOf(place.lsu));
  const meters = new StageMeters(resources.meters);
  const endUse = services.usage.begin(place.place, 'read', session.signal);
  const span = new ImageSpan('restore', subjectOf(session, place));
  try {
    const store = await span.run(() => place.server.open(place.lsu));
    const context = {
      store,
      resources: { ...resources, meters },
      journal: undefined,
      creator: session.creatorOf(number),
      signal: session.signal,
      place: { server: place.server, lsu: place.lsu },
      arena: session.arena,
      region: undefined,
    };
    const until = () => lockedUntil(store, place.imageId, session.signal);
    const locked = await span.run(until);
    const handle = await span.run(() => services.backend.open(context, place.identity));
    const { slotBytes } = session.arena.layout;
    const share = Math.floor(services.slotReserve / (2 * (services.readers.size + 1)) / MIB) * MIB;
    const { manifest } = handle;
    const maxRange = Math.min(slotBytes, Math.max(LEAST_RANGE, share));
    const range = rangeOf(manifest.chunk_size, maxRange);
    const ahead = store.flow?.ahead;
    const endAhead = ahead?.begin();
    session.arena.cooled();
    const image = new ReadImage({
      host,
      number,
      place,
      handle,
      grants,
      maxRange,
      ahead: () => ahead?.ranges(range) ?? streamsOf(services.settings.performance.read_ahead),
      lockedUntil: until,
      meters,
      traceId: span.traceId,
      onEnd: (result, error) => {
        const { counters } = image;
        endUse();
        endAhead?.();
        services.readers.delete(image);
        services.counters.imagesClosed += 1;
        services.counters.images.end('read', result, counters);
        span.end({ result, bytes: counters.bytes, stages: meters.totals(), error });
        services.ended.add(recordOf('read', image, { result, error, stored: undefined }));
      },
    });
    services.readers.add(image);
    services.counters.imagesOpened += 1;
    const answer = {
      chunk_bytes: range,
      window: 0,
      first_chunk: 0n,
      info: infoOfManifest(manifest, IMAGE_FLAG.BUSY_READ, locked),
    };
    return { image, answer };
  } catch (error) {
    endUse();
    span.end({ result: 'failed', error });
    throw error;
  }
}

/** What a host that reads in order should ask for at once: as many whole chunks as a range holds, or as much of one. Bytes. */
function rangeOf(chunkBytes: number, maxRange: number): number {
  return chunkBytes > maxRange ? maxRange : maxRange - (maxRange % chunkBytes);
}
