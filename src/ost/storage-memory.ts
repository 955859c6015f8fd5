import { type Resources, resourcesFor } from '../pipeline/resources.ts';
import type { Storage } from '../vast/store.ts';
import { SlotGrants } from './slot-grants.ts';

/** What the images in one storage may use. */
export interface MemoryShare {
  readonly resources: Resources;
  readonly grants: SlotGrants;
}

/** Memory by storage: images in one that hangs keep what they hold, and those in the others go on with theirs. */
export class StorageMemory {
  readonly #resources: Resources;
  readonly #shares = new Map<string, MemoryShare>();

  constructor(resources: Resources) {
    this.#resources = resources;
  }

  of({ name }: Pick<Storage, 'name'>): MemoryShare {
    const known = this.#shares.get(name);
    if (known !== undefined) return known;
    const resources = resourcesFor(this.#resources, name);
    const share = { resources, grants: new SlotGrants(resources.budget) };
    this.#shares.set(name, share);
    return share;
  }

  /** Requests for slots that wait now. */
  get waiting(): number {
    let sum = 0;
    for (const { grants } of this.#shares.values()) sum += grants.waiting;
    return sum;
  }
}
