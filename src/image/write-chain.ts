import type { Duplex } from 'node:stream';
import { LEAF_BYTES } from '../bridge/bridge.ts';
import { Chain } from '../pipeline/chain.ts';
import { LeaseScope } from '../pipeline/lease.ts';
import type { Resources } from '../pipeline/resources.ts';
import { runStage } from '../pipeline/run-stage.ts';
import type { StageEnv, StageInstance } from '../pipeline/stage.ts';
import { StageClock } from '../pipeline/stage-clock.ts';
import { boundOf, type ConfiguredStage } from '../pipeline/stage-registry.ts';
import type { ImageInfo } from '../stage-api/index.ts';
import { createPacker, type PackerOptions, type Part, type PRESS } from '../stages/packer.ts';
import { planParts } from '../stages/part-planner.ts';
import { createPartUploader } from '../stages/part-uploader.ts';
import { bound, here, inSpan } from '../tracing/spans.ts';
import type { ObjectStore } from '../vast/store.ts';
import { chunkTimes } from './chunk-times.ts';
import type { FragmentWriter } from './fragment-writer.ts';
import type { WriteTuning } from './image-backend.ts';
import { ENTRY_BYTES } from './index-page.ts';

/** Most index entries that one part may need, bytes; keeps index pages within their bound whatever the compression. */
const PART_ENTRIES_BYTES = 4 * 1024 * 1024;

export interface WriteChainOptions<Run> extends WriteTuning {
  readonly store: ObjectStore;
  readonly resources: Resources;
  readonly chunkBytes: number;
  /** The plain digest's stage, if it is wanted. */
  readonly flat: StageInstance | undefined;
  /** The image's stages, the checksum first. */
  readonly stages: readonly ConfiguredStage[];
  readonly image: ImageInfo;
  /** Asked when the last chunk has passed the stages: others will follow, from another writer. Default: never. */
  readonly suspends?: () => boolean;
  readonly fragments: FragmentWriter;
  /** Called with every part before it is sent. */
  readonly onSend?: (part: Part) => void;
  /** Called with every acknowledged part, before the memory of its encoded bytes is released. */
  readonly onStored: (part: Part, signal: AbortSignal) => Promise<void>;
  /** Most chunks of a part, where something needs a smaller bound than the index. */
  readonly maxChunks?: number;
  readonly packer?: Pick<PackerOptions<Run>, 'start' | 'holder' | 'onChange'>;
  /** What stages take memory from. Default: the resources' budget. */
  readonly budget?: StageEnv['budget'];
  readonly signal?: AbortSignal | undefined;
}

/** Writes the packer's own kind of item past the stages before it. */
type PackerStream = Duplex & { write(item: typeof PRESS): boolean };

/** The chain that turns an image's bytes into stored parts, without what feeds it. */
export interface WriteChain<In> {
  readonly chain: Chain<In>;
  readonly packer: PackerStream;
  readonly sink: { readonly running: number };
}

/**
 * @param head the streams before the image's stages, which turn what is written into chunks.
 */
export function createWriteChain<In, Run = never>(
  options: WriteChainOptions<Run>,
  head: (scope: LeaseScope) => readonly Duplex[],
): WriteChain<In> {
  const { store, resources, fragments, flat, stages } = options;
  const { minPartBytes, maxParts, maxPartBytes, maxObjectBytes } = store.limits;
  const scope = new LeaseScope();
  const { image, suspends = () => false, budget = resources.budget, onReport } = options;
  /** What a stage behind so many of the image's stages works with. */
  const envOf = (clock: StageClock, before: number): StageEnv => ({
    budget: clock.watch(budget),
    scope,
    bridge: resources.bridge,
    slabs: resources.slabs,
    flow: resources.flow,
    image,
    before: (length) => boundOf(stages.slice(0, before), length),
    suspends,
    onReport,
  });
  const endReserve = resources.budget.reserveForOutput(
    Math.max(0, ...stages.map((stage) => stage.workingBytes(options.chunkBytes))),
  );
  const plan = planParts({
    partBytes: options.partBytes,
    maxPartBytes: Math.min(maxPartBytes, Math.max(minPartBytes, Math.floor(resources.budget.total / 4))),
    minPartBytes,
    maxParts,
    maxFragmentBytes: maxObjectBytes,
  });
  const leafBytes = (options.chunkBytes / LEAF_BYTES) * 32;
  const maxChunks = Math.min(
    options.maxChunks ?? Number.POSITIVE_INFINITY,
    Math.max(1, Math.floor(PART_ENTRIES_BYTES / (ENTRY_BYTES + leafBytes))),
  );
  const { holder } = options.packer ?? {};
  // What the streams set going belongs to the image, whoever wrote to them last.
  const parent = here();
  const packer = createPacker({
    plan,
    minPartBytes,
    maxChunks,
    ...options.packer,
    ...(holder && { holder: { ...holder, put: bound(holder.put), load: bound(holder.load) } }),
  });
  const times = chunkTimes(parent);
  const sink = createPartUploader({
    concurrency: () => options.parallelParts,
    store: (part, signal) => {
      times.gathered(part);
      options.onSend?.(part);
      const attributes = {
        'vast_ost.fragment': part.fragment,
        'vast_ost.part': part.number,
        'vast_ost.bytes': part.size,
        'vast_ost.chunks': part.chunks.length,
      };
      return inSpan('part', { parent, attributes }, () => fragments.store(part, signal));
    },
    onStored: bound(options.onStored),
  });
  const observing = (): Duplex[] =>
    (options.observers ?? []).map(({ name, observe }) => {
      const clock = new StageClock();
      return runStage(name, observe(envOf(clock, 1)), { clock });
    });
  const [first = packer, ...rest]: Duplex[] = [
    ...head(scope),
    ...(flat ? [runStage('flat-digest', flat)] : []),
    ...stages.flatMap((stage, at) => {
      const clock = new StageClock();
      const instance = stage.forward(envOf(clock, at));
      const stream = runStage(stage.record.name, at === 0 ? times.watch(instance) : instance, { clock });
      // Observers see the image's own bytes, with their digests.
      return at === 0 ? [stream, ...observing()] : [stream];
    }),
    packer,
  ];
  resources.meters.attach('backup', [first, ...rest, sink]);
  const chain = new Chain<In>([first, ...rest, sink], {
    signal: options.signal,
    onClosed: () => {
      scope.releaseAll();
      endReserve();
    },
  });
  return { chain, packer, sink };
}
