import { type Resources, resourcesFor } from '../../pipeline/resources.ts';
import { OUTCOMES, type Outcome } from '../../pipeline/stage-meters.ts';

type Decided = Record<Outcome, number>;

/** What the images of a lane in one storage may use: that storage's share of the process's memory. */
export interface LaneShare {
  readonly resources: Resources;
  /** Chunks that were compressed or not, since this was asked last. */
  decided(): Decided;
}

/** As StorageMemory, in a lane. */
export class LaneMemory {
  readonly #resources: Resources;
  readonly #shares = new Map<string, LaneShare>();

  constructor(resources: Resources) {
    this.#resources = resources;
  }

  of(storage: string): LaneShare {
    const known = this.#shares.get(storage);
    if (known !== undefined) return known;
    const resources = resourcesFor(this.#resources, storage);
    const told: Decided = { compressed: 0, incompressible: 0, unneeded: 0 };
    const share: LaneShare = {
      resources,
      decided: () => {
        const news = { ...told };
        for (const outcome of OUTCOMES) {
          news[outcome] = resources.flow.outcomes[outcome] - told[outcome];
          told[outcome] += news[outcome];
        }
        return news;
      },
    };
    this.#shares.set(storage, share);
    return share;
  }
}
