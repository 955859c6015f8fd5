import { inUse } from './errors.ts';

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

/**
 * Who uses which image in this engine. Another media server's engine is not seen; its claims in storage are.
 * Only images in use are kept, so memory follows the open handles.
 */
export class ImageUsage {
  readonly #uses = new Map<string, Map<Usage, number>>();
  #writing = 0;

  /** Begin a use. Throws `busy` when another one excludes it. The result ends it; a second call does nothing. */
  begin(place: string, usage: Usage): () => void {
    const counts = this.#uses.get(place) ?? new Map<Usage, number>();
    const obstacle = EXCLUDES[usage].find((other) => counts.has(other));
    if (obstacle !== undefined) throw inUse(`the image is ${SAYS[obstacle]}`);
    this.#uses.set(place, counts.set(usage, (counts.get(usage) ?? 0) + 1));
    if (usage === 'write') this.#writing += 1;
    let live = true;
    return () => {
      if (!live) return;
      live = false;
      if (usage === 'write') this.#writing -= 1;
      const left = (counts.get(usage) ?? 1) - 1;
      if (left > 0) counts.set(usage, left);
      else counts.delete(usage);
      if (counts.size === 0) this.#uses.delete(place);
    };
  }

  has(place: string, usage: Usage): boolean {
    return this.#uses.get(place)?.has(usage) ?? false;
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
