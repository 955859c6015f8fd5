import { inUse } from './errors.ts';
import { within } from './within.ts';

/** What somebody does with an image. */
export type Usage = 'read' | 'write' | 'copy-from' | 'copy-to' | 'delete';

/** Which uses exclude each other. Whoever comes second hears busy. */
const EXCLUDES: Readonly<Record<Usage, readonly Usage[]>> = {
  read: ['delete', 'copy-to'],
  write: ['write', 'delete', 'copy-to'],
  'copy-from': ['delete', 'copy-to'],
  'copy-to': ['read', 'write', 'copy-from', 'copy-to', 'delete'],
  delete: ['read', 'write', 'copy-from', 'copy-to', 'delete'],
};

const SAYS: Readonly<Record<Usage, string>> = {
  read: 'being read',
  write: 'being written',
  'copy-from': 'being copied',
  'copy-to': 'the target of a running copy',
  delete: 'being deleted',
};

/** How long a use whose session has ended may keep others from beginning before they hear busy, milliseconds: its storage may hang. */
const LEAVE_MS = 5_000;

interface Use {
  readonly usage: Usage;
  /** Fires when whoever uses it is no longer there. */
  readonly signal: AbortSignal | undefined;
  readonly ended: PromiseWithResolvers<void>;
}

/**
 * Who uses which image in this engine. Another media server's engine is not seen; its claims in storage are.
 * Only images in use are kept, so memory follows the open handles.
 */
export class ImageUsage {
  readonly #uses = new Map<string, Set<Use>>();
  #writing = 0;

  /**
   * Begin a use. Throws `busy` when another one excludes it. The result ends it; a second call does nothing.
   *
   * @param signal of the session that it is for.
   */
  begin(place: string, usage: Usage, signal?: AbortSignal): () => void {
    const uses = this.#uses.get(place) ?? new Set<Use>();
    const obstacle = EXCLUDES[usage].find((other) => this.has(place, other));
    if (obstacle !== undefined) throw inUse(`the image is ${SAYS[obstacle]}`);
    const use = { usage, signal, ended: Promise.withResolvers<void>() };
    this.#uses.set(place, uses.add(use));
    if (usage === 'write') this.#writing += 1;
    return () => {
      if (!uses.delete(use)) return;
      if (usage === 'write') this.#writing -= 1;
      if (uses.size === 0) this.#uses.delete(place);
      use.ended.resolve();
    };
  }

  /** Sessions that have ended let go of their images soon: resolves when those of this place have, or after a while. */
  async left(place: string): Promise<void> {
    const leaving = [...(this.#uses.get(place) ?? [])].filter(({ signal }) => signal?.aborted);
    if (leaving.length > 0) await within(Promise.all(leaving.map(({ ended }) => ended.promise)), LEAVE_MS);
  }

  has(place: string, usage: Usage): boolean {
    for (const use of this.#uses.get(place) ?? []) if (use.usage === usage) return true;
    return false;
  }

  /** Images being written, those that are just being opened included. */
  get writing(): number {
    return this.#writing;
  }

  /** Images in use. */
  get size(): number {
    return this.#uses.size;
  }
}
