import { killSwitchOf } from '../../chaos/store-rates.ts';
import { compressionStages } from '../../config/compression.ts';
import { imageSizes } from '../../config/image-sizes.ts';
import { streamsOf } from '../../config/streams.ts';
import { EngineError } from '../../errors.ts';
import type { ImageLayout, WriteHandle, WriteTuning } from '../../image/image-backend.ts';
import { ImageSpan } from '../../image/image-span.ts';
import { journalMemory, steppedJournal } from '../../image/journal-memory.ts';
import { imageInfoOf } from '../../image/manifest.ts';
import { StageMeters } from '../../pipeline/stage-meters.ts';
import type { StageReport } from '../../stage-api/index.ts';
import type { ObjectStore } from '../../vast/store.ts';
import { routedStore, routeOf, sameLsu } from '../../vendor-stages/vendor-router.ts';
import type { StageChain } from '../../vendor-stages/vendor-stages.ts';
import type { ImageContext } from '../backend.ts';
import type { Session } from '../session.ts';
import { planSlots, slotsAlways, slotsToSend } from '../slot-plan.ts';
import type { StorageServer } from '../storage-server.ts';
import { IMAGE_FLAG } from '../wire/constants.ts';
import type { WireImageOpened } from '../wire/groups.ts';
import { clientOf } from '../wire-identity.ts';
import { infoOfPending } from './image-info.ts';
import { recordOf } from './image-record.ts';
import type { ImagePlace } from './open-image.ts';
import { subjectOf } from './place.ts';
import { WriteImage } from './write-image.ts';

export interface WriterQuestion {
  /** The host's number. */
  readonly handle: bigint;
  /** Journal region. */
  readonly journal: number;
}

/** Begins a handle; undefined when the image turns out to be complete already. */
type Begin = (context: ImageContext, layout: ImageLayout, tuning: WriteTuning) => Promise<WriteHandle | undefined>;

/** Open an image for writing; undefined as for {@link Begin}. Whatever fails leaves nothing open. */
export async function openWriter(
  session: Session,
  { handle: number, journal }: WriterQuestion,
  place: ImagePlace,
  begin: Begin,
): Promise<{ readonly image: WriteImage; readonly answer: WireImageOpened } | undefined> {
  const { services, imageHost: host, arena } = session;
  await services.deletions.settled(place.place);
  await services.usage.left(place.place);
  const region = session.takeJournal(journal);
  const { resources, grants } = services.memory.of(place.server.storageOf(place.lsu));
  const meters = new StageMeters(resources.meters);
  const span = new ImageSpan('backup', subjectOf(session, place));
  let endUsage = (): void => undefined;
  let endLease = (): void => undefined;
  const endUse = (): void => {
    region.release();
    endUsage();
    endLease();
  };
  try {
    endUsage = services.usage.begin(place.place, 'write', session.signal);
    endLease = leaseOf(session, place.server, place.lsu);
    const lsu = await span.run(() => place.server.open(place.lsu));
    const { layout, tuning, window, routers } = plansOf(session, place, lsu);
    const about = { identity: place.identity, netbackup_metadata: layout.metadata };
    const route = await routeOf(routers, imageInfoOf(place.lsu, about), session.signal);
    sameLsu(route, place.lsu);
    const store = routedStore(lsu, route);
    const memory = journalMemory(region.memory);
    const kills = killSwitchOf(services.settings.general.chaos);
    const context: ImageContext = {
      store,
      resources: { ...resources, meters },
      journal: kills === undefined ? memory : steppedJournal(memory, kills),
      creator: session.creatorOf(number),
      lock: await span.run(() => place.server.lockPolicy(place.lsu)),
      signal: session.signal,
      place: { server: place.server, lsu: place.lsu, storageClass: route.storageClass },
      arena,
      region: journal,
    };
    const handle = await span.run(() => begin(context, layout, tuning));
    if (handle === undefined) {
      endUse();
      span.end({ result: 'complete' });
      return undefined;
    }
    await checkFits(handle, arena.layout.slotBytes);
    const { slotCount } = arena.layout;
    const slots = { partBytes: tuning.partBytes, chunkBytes: handle.chunkBytes };
    const least = Math.min(Math.max(window, slotsToSend(slots.partBytes, slots.chunkBytes)), slotCount);
    const image = new WriteImage({
      host,
      number,
      place,
      handle,
      grants,
      always: () => Math.min(slotsAlways(slots, services.slotReserve, services.usage.writing), slotCount),
      window: least,
      meters,
      traceId: span.traceId,
      onEnd: (result, { error, stored }) => {
        const { counters } = image;
        endUse();
        services.writers.delete(place.place);
        services.counters.imagesClosed += 1;
        services.counters.images.end('write', result, counters);
        span.end({ result, bytes: counters.bytes, stored, stages: meters.totals(), error });
        services.ended.add(recordOf('write', image, { result, error, stored }));
        if (error !== undefined) services.problems.add(error, `write ${place.lsu}/${place.imageId}`);
      },
    });
    services.writers.set(place.place, image);
    services.counters.imagesOpened += 1;
    return { image, answer: answerOf(handle, least) };
  } catch (error) {
    endUse();
    span.end({ result: 'failed', error });
    throw error;
  }
}

/** Other media servers hear that this host has an image open for writing. The result ends it. */
export function leaseOf({ services, process }: Session, server: StorageServer, lsu: string): () => void {
  return services.leases.opened(server.placeOf(lsu, ''), process, () => server.open(lsu));
}

interface Plans {
  readonly layout: ImageLayout;
  readonly tuning: WriteTuning;
  readonly window: number;
  readonly routers: StageChain['routers'];
}

/** How a new image of this place is written. */
function plansOf(session: Session, { server, lsu, identity, imageId }: ImagePlace, store: ObjectStore): Plans {
  const { services, arena } = session;
  const { performance, engine } = services.settings;
  const sizes = imageSizes(performance, store);
  const { chunkBytes, partBytes, window } = planSlots({
    ...sizes,
    slotBytes: arena.layout.slotBytes,
    slotCount: arena.layout.slotCount,
    minPartBytes: store.limits.minPartBytes,
    // Those that open at the same moment count, or each would plan as if it were alone.
    openWriters: services.usage.writing - 1,
    reserve: services.slotReserve,
    // As many bytes, however short the chunks are.
    slotsPerImage: Math.floor((engine.slots_per_image * performance.chunk_size_mb) / sizes.chunkBytes),
  });
  const { compression, parallelStreams } = server.tuning;
  const { transforms, observers, routers } = services.stages.chainOf({
    server: server.id,
    lsu,
    policy: identity.full_name,
  });
  const layout: ImageLayout = {
    identity,
    metadata: { policy: identity.full_name, schedule: '', client: clientOf(identity.basename) },
    stages: [...compressionStages(compression, services.resources.stages), ...transforms],
    chunkBytes,
    flatDigest: false,
  };
  const onReport = (stage: string, report: StageReport): void => {
    server.stageReported({ lsu, identity }, stage, report);
    if (report.severity !== 'info') services.problems.add(warningOf(stage, report), `write ${lsu}/${imageId}`);
  };
  const tuning = { partBytes, parallelParts: streamsOf(parallelStreams), observers, onReport };
  return { layout, tuning, window, routers };
}

/** What a stage wants people to know, for the list of what went wrong lately. */
function warningOf(stage: string, { text }: StageReport): EngineError {
  return new EngineError('VOST_STAGE_WARNING', 'internal', `stage ${stage}: ${text}`, {
    advice: 'the stage says so, and the image was not touched; what it means stands in the manual of the stage',
  });
}

/** An image that another media server began may have chunks that this host's slots cannot hold. */
async function checkFits(handle: WriteHandle, slotBytes: number): Promise<void> {
  if (handle.chunkBytes <= slotBytes) return;
  await handle.close('abandon', 0);
  throw new EngineError(
    'VOST_CHUNK_TOO_LARGE',
    'unsupported',
    `the image has chunks of ${handle.chunkBytes} bytes, but this host's slots have ${slotBytes}`,
    { advice: 'raise the slot size in plugin.conf' },
  );
}

function answerOf(handle: WriteHandle, window: number): WireImageOpened {
  const now = { size: handle.size, stored: handle.progress.stored };
  return {
    chunk_bytes: handle.chunkBytes,
    window,
    first_chunk: BigInt(handle.firstChunk),
    info: infoOfPending({ created: new Date().toISOString() }, IMAGE_FLAG.BUSY_WRITE, now),
  };
}
