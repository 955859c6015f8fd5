import type { ImageIdentity } from '../../image/identity.ts';
import type { ImageLayout, WriteTuning } from '../../image/image-backend.ts';
import type { StageRecord } from '../../pipeline/stage.ts';
import type { ConfiguredStage, StageRegistry } from '../../pipeline/stage-registry.ts';
import type { StagePlaces } from '../../vendor-stages/vendor-stages.ts';
import type { LaneLayout, LaneStore, LaneTuning } from './protocol.ts';

/** The stages of a lane: it has loaded the same ones as the main thread, which names those that an image passes. */
export class LaneChain {
  readonly #registry: StageRegistry;
  readonly #places: StagePlaces;

  constructor(registry: StageRegistry, places: StagePlaces) {
    this.#registry = registry;
    this.#places = places;
  }

  layout(layout: LaneLayout, place: LaneStore): ImageLayout {
    const { transforms } = this.#places.chainOf(placeOf(place, layout.identity));
    const stageOf = (record: StageRecord): ConfiguredStage =>
      transforms.find((one) => one.record.name === record.name) ??
      this.#registry.configure(record.name, record.options);
    return { ...layout, stages: layout.stages.map(stageOf) };
  }

  tuning(
    { observers: names, ...tuning }: LaneTuning,
    place: LaneStore,
    identity: ImageIdentity,
    onReport: WriteTuning['onReport'],
  ): WriteTuning {
    const { observers } = this.#places.chainOf(placeOf(place, identity));
    return { ...tuning, observers: observers.filter(({ name }) => names.includes(name)), onReport };
  }
}

/** Whose list of stages counts. */
function placeOf(
  { server, lsu }: LaneStore,
  { full_name: policy }: ImageIdentity,
): Parameters<StagePlaces['chainOf']>[0] {
  return { server, lsu, policy };
}
