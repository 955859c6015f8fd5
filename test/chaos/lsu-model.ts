import { EngineError } from '../../src/errors.ts';
import { listImages } from '../../src/image/catalog.ts';
import type { Resources } from '../../src/pipeline/resources.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { MIB, randomBytes, readImage } from '../image/support.ts';

const POOL = randomBytes(5 * MIB, 'model');

/** What an image is for everybody who looks. */
export type State =
  | { readonly state: 'absent' }
  | { readonly state: 'pending'; readonly kept: number }
  | { readonly state: 'complete' };

export const ABSENT: State = { state: 'absent' };
export const COMPLETE: State = { state: 'complete' };
export const pending = (kept: number): State => ({ state: 'pending', kept });

/** One name in the reference model: what it may be now, and what its bytes are. */
export class ModelImage {
  readonly name: string;
  /** Its present incarnation has these bytes. */
  data: Buffer = POOL.subarray(0, 0);
  /** What it may be; one of them after each look. */
  may: readonly State[] = [ABSENT];
  /** A host that writes it and lives. */
  owned = false;
  /** A deletion began and did not end: the rest may not be whole. */
  torn = false;
  #incarnation = 0;

  constructor(name: string) {
    this.name = name;
  }

  get state(): State {
    return this.may[0] ?? ABSENT;
  }

  /** Other bytes than any image had before. */
  renew(blocks: number): void {
    this.#incarnation += 1;
    const from = (this.#incarnation * 512) % (2 * MIB);
    this.data = POOL.subarray(from, from + blocks * 512);
    this.torn = false;
  }
}

/** Look at the LSU itself, behind all faults: every image must be what the model allows, and a complete one must have its bytes. */
export async function compare(inner: ObjectStore, images: readonly ModelImage[], resources: Resources): Promise<void> {
  const found = await look(inner);
  for (const image of images) {
    const { state, imageId } = found.get(image.name) ?? { state: ABSENT, imageId: '' };
    found.delete(image.name);
    if (!image.may.some((one) => same(one, state)))
      throw new Error(`${image.name} is ${JSON.stringify(state)}, not one of ${JSON.stringify(image.may)}`);
    const news = image.may.length > 1 || image.state.state !== state.state;
    image.may = [state];
    if (news && state.state === 'complete' && !(await readImage(inner, resources, imageId)).equals(image.data))
      throw new Error(`${image.name} has other bytes than were acknowledged`);
  }
  if (found.size > 0) throw new Error(`nobody made ${[...found.keys()]}`);
}

type Found = Map<string, { readonly state: State; readonly imageId: string }>;

async function look(inner: ObjectStore): Promise<Found> {
  const found: Found = new Map();
  for await (const entry of listImages(inner)) {
    if (entry.state === 'damaged') throw entry.error;
    const { basename } = entry.state === 'complete' ? entry.manifest.identity : entry.pending.identity;
    const state = entry.state === 'complete' ? COMPLETE : pending(entry.pending.handle?.size ?? 0);
    found.set(basename, { state, imageId: entry.imageId });
  }
  return found;
}

function same(one: State, other: State): boolean {
  if (one.state !== 'pending' || other.state !== 'pending') return one.state === other.state;
  return one.kept === other.kept;
}

/** A failure that the model expects. */
export function expectFailure(error: unknown, allowed: readonly string[], where: string): void {
  if (error instanceof EngineError && allowed.includes(error.failure)) return;
  throw new Error(`${where}: expected ${allowed.join(' or ') || 'success'}`, { cause: error });
}

/** Whether a planned fault is what failed, or the cause of it. */
export function isPlanned(error: unknown): boolean {
  if (!(error instanceof EngineError)) return false;
  return error.code === 'VOST_CHAOS' || isPlanned(error.cause);
}
