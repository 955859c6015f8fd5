import { EngineError } from '../errors.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { PackerStart, StoredChunk } from '../stages/packer.ts';
import type { ObjectStore, PartInfo } from '../vast/store.ts';
import type { Claim } from './claim.ts';
import { FragmentWriter } from './fragment-writer.ts';
import { HandleJournal, type HandleMemory } from './handle-journal.ts';
import { HeldChunks, type HeldRun } from './held-chunks.ts';
import { IndexWriter } from './index-writer.ts';
import type { StoredPart } from './journal-object.ts';
import type { HeldRecord, JournalRecord } from './journal-records.ts';
import type { JournalContents, JournalRegion } from './journal-region.ts';
import { parseKey } from './names.ts';
import { ObjectNames } from './object-names.ts';
import type { HandleRecord, Pending } from './pending.ts';

/** Where a handle begins: at an image's beginning, at what was kept, or where a process died. */
export interface HandleStart {
  readonly claim: Claim;
  /** What earlier writers kept, as it stays until the next close that succeeds. */
  readonly kept: HandleRecord;
  readonly names: ObjectNames;
  readonly fragments: FragmentWriter;
  readonly index: IndexWriter;
  readonly memory: HandleMemory;
  readonly journal: HandleJournal;
  readonly held: HeldChunks;
  readonly packer: PackerStart<HeldRun>;
  /** Chunks that storage has already, and their logical bytes. */
  readonly known: number;
  readonly knownBytes: number;
  /** The handle failed before its process died: all that is left is to say so. */
  readonly failure: EngineError | undefined;
}

export interface StartOptions {
  readonly store: ObjectStore;
  readonly resources: Resources;
  /** Of the image's keys. */
  readonly prefix: string;
  readonly claim: Claim;
  readonly kept: HandleRecord;
  readonly region: JournalRegion | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Chunks of the image so far, checked: each has its place in the image and follows the one before it in storage. */
class Position {
  readonly #options: StartOptions;
  /** Stored bytes of each fragment, from the first one. */
  readonly sizes: number[] = [];

  constructor(options: StartOptions) {
    this.#options = options;
  }

  take(chunks: readonly StoredChunk[]): void {
    const { chunk_size } = this.#options.claim.record;
    for (const { index, offset, length, fragment, storedOffset, storedLength } of chunks) {
      const at = this.sizes.length;
      const follows = at > 0 && fragment === at && storedOffset === this.sizes[at - 1];
      const begins = fragment === at + 1 && storedOffset === 0;
      if (!(follows || begins) || offset !== index * chunk_size || length > chunk_size)
        throw lost(this.#options, `chunk ${index}`);
      this.sizes[fragment - 1] = storedOffset + storedLength;
    }
  }
}

/** Begin with nothing, or with what the pending record says was kept. */
export async function startFromKept(options: StartOptions): Promise<HandleStart> {
  const start = await startFrom(options, undefined);
  start.journal.begin(options.kept.journal);
  return start;
}

/**
 * Go on where another process of the same handle died: what was kept, then what the journal region says has been stored since. Throws
 * `integrity` when storage does not have what the journal says.
 */
export async function startFromJournal(options: StartOptions): Promise<HandleStart> {
  const contents = options.region?.read();
  if (contents === undefined) return startFromKept(options);
  const failed = contents.records.find((record) => record.type === 'failed');
  if (failed) return { ...(await startFrom(options, undefined)), failure: failed.error };
  const start = await startFrom(options, contents);
  await start.journal.tidy(options.signal);
  return start;
}

async function startFrom(options: StartOptions, journal: JournalContents | undefined): Promise<HandleStart> {
  const { store, resources, prefix, claim, kept, signal } = options;
  const names = new ObjectNames(kept.terms);
  const index = new IndexWriter(store, prefix, names);
  const position = new Position(options);
  const parts: StoredPart[] = [];
  await index.restore(
    kept.journal,
    ({ chunks }, number) => {
      position.take(chunks);
      for (const { fragment } of chunks) names.keep(fragment, number);
    },
    signal,
  );
  if (index.size !== kept.size - (kept.tail?.size ?? 0)) throw lost(options, 'the kept size');
  const keptFragments = position.sizes.length;
  const take = (chunks: readonly StoredChunk[], stored: readonly StoredPart[]): void => {
    position.take(chunks);
    parts.push(...stored);
  };
  await index.restore(journal?.segments ?? 0, (object) => take(object.chunks, object.parts), signal);
  const memory: HandleMemory = {
    metas: new Map(kept.metas.map((meta) => [meta.index, meta])),
    sent: new Map(),
    held: [],
    hash: savedHash(kept, claim.record),
  };
  const region = applyRecords(options, journal?.records ?? [], index, memory, take);
  const fragments = new FragmentWriter(store, prefix, claim, names);
  const place = await restoreFragments(options, fragments, names, position.sizes, parts, keptFragments);
  const held = new HeldChunks(store, prefix, resources, region.lastHeld, names);
  const runs: HeldRun[] = [];
  for (const record of memory.held) runs.push(await held.open(record, signal));
  const known = runs.reduce((sum, { chunks }) => sum + chunks.length, index.chunks);
  const knownBytes = runs.reduce(
    (sum, { chunks }) => chunks.reduce((all, { length }) => all + length, sum),
    index.size,
  );
  if (memory.hash !== undefined && memory.hash.chunks !== known) throw lost(options, 'the state of its digest');
  // A fragment that begins anew gets an upload of its own, with nothing in it.
  const fillTo = place.number === 1 ? 0 : Math.max(place.surplus, memory.sent.get(place.fragment) ?? 0);
  if (place.number === 1) memory.sent.delete(place.fragment);
  return {
    claim,
    kept,
    names,
    fragments,
    index,
    memory,
    held,
    packer: { ...place, fillTo, held: runs },
    known,
    knownBytes,
    failure: undefined,
    journal: new HandleJournal(options.region, index, memory),
  };
}

/** The digest's state at the end of what was kept. */
function savedHash({ sha256_state: state, size }: HandleRecord, { chunk_size }: Pending): HandleMemory['hash'] {
  return state === undefined
    ? undefined
    : { chunks: Math.floor(size / chunk_size), state: Buffer.from(state, 'base64') };
}

/** Take in what the region noted since the last journal object. */
function applyRecords(
  options: StartOptions,
  records: readonly JournalRecord[],
  index: IndexWriter,
  memory: HandleMemory,
  take: (chunks: readonly StoredChunk[], parts: readonly StoredPart[]) => void,
): { lastHeld: number } {
  let chunks: StoredChunk[] = [];
  const held: HeldRecord[] = [];
  for (const record of records) {
    if (record.type === 'chunk') {
      chunks.push(record.chunk);
      continue;
    }
    if (record.type === 'part' && record.chunks > 0 && record.chunks <= chunks.length) {
      const covered = chunks.slice(-record.chunks);
      const [first] = covered as [StoredChunk];
      // Journal objects may have it already.
      if (first.index >= index.chunks) {
        if (covered.some((chunk, nth) => chunk.index !== index.chunks + nth))
          throw lost(options, `chunk ${index.chunks}`);
        take(covered, [record.part]);
        index.add(covered, record.part);
      }
    }
    chunks = [];
    if (record.type === 'meta') memory.metas.set(record.meta.index, record.meta);
    if (record.type === 'sent') memory.sent.set(record.sent.fragment, record.sent.number);
    if (record.type === 'held') held.push(record.held);
    if (record.type === 'hash') memory.hash = record.hash;
  }
  let next = index.chunks;
  for (const one of held) {
    if (one.first < index.chunks) continue;
    if (one.first !== next) throw lost(options, `chunk ${next}`);
    memory.held.push(one);
    next += one.count;
  }
  return { lastHeld: Math.max(0, ...held.map(({ number }) => number)) };
}

/** Compare what storage has of the fragments with what was noted, and find where to go on. */
async function restoreFragments(
  options: StartOptions,
  fragments: FragmentWriter,
  names: ObjectNames,
  sizes: readonly number[],
  parts: readonly StoredPart[],
  keptFragments: number,
): Promise<{ fragment: number; number: number; offset: number; surplus: number }> {
  const { store, claim, signal } = options;
  const next = { fragment: sizes.length + 1, number: 1, offset: 0, surplus: 0 };
  const objects = sizes.length > 0 ? await fragmentObjects(options) : new Map<string, number>();
  for (const [nth, size] of sizes.entries()) {
    const number = nth + 1;
    const name = names.fragment(number);
    const noted = parts.filter(({ fragment }) => fragment === number);
    const upload =
      number <= keptFragments ? undefined : claim.record.uploads.findLast((one) => one.fragment === number);
    const listed = upload && (await listParts(store, `${options.prefix}${name}`, upload.id, signal));
    if (listed === undefined) {
      // Stored at once, or completed: by the close that kept it, or by one that did not come to its end.
      if (objects.get(name) !== size) throw lost(options, name);
      fragments.restoreClosed(number, size, number <= keptFragments);
      continue;
    }
    checkParts(options, name, size, noted, listed);
    fragments.restoreUpload(number, upload?.id ?? '', noted);
    const last = noted.at(-1);
    if (number !== sizes.length || last === undefined) continue;
    // Behind a part that is too small for any but the last one, nothing can follow.
    if (last.size < store.limits.minPartBytes || last.number >= store.limits.maxParts) continue;
    return { fragment: number, number: last.number + 1, offset: size, surplus: listed.at(-1)?.number ?? 0 };
  }
  return next;
}

function checkParts(
  options: StartOptions,
  name: string,
  size: number,
  noted: readonly StoredPart[],
  listed: readonly PartInfo[],
): void {
  const stored = new Map(listed.map((part) => [part.number, part]));
  let sum = 0;
  for (const [nth, part] of noted.entries()) {
    const found = stored.get(nth + 1);
    if (part.number !== nth + 1 || found?.size !== part.size || found.etag !== part.etag)
      throw lost(options, `part ${nth + 1} of ${name}`);
    sum += part.size;
  }
  if (sum !== size) throw lost(options, name);
}

/** Undefined when the upload is gone. */
async function listParts(
  store: ObjectStore,
  key: string,
  id: string,
  signal: AbortSignal | undefined,
): Promise<PartInfo[] | undefined> {
  try {
    return await store.resumeUpload(key, id).listParts({ signal });
  } catch (error) {
    if (error instanceof EngineError && error.failure === 'not-found' && error.code !== 'VOST_NO_SUCH_LSU')
      return undefined;
    throw error;
  }
}

/** Sizes of the fragments that are objects. */
async function fragmentObjects({ store, prefix, signal }: StartOptions): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { key, size } of store.list({ prefix: `${prefix}fragment-`, signal }))
    sizes.set(parseKey(key)?.name ?? key, size);
  return sizes;
}

function lost({ store, prefix }: StartOptions, what: string): EngineError {
  return new EngineError(
    'VOST_LOST_STATE',
    'integrity',
    `${what} of the unfinished image ${store.lsu}/${prefix} is not what was noted; it cannot be continued`,
    { advice: 'delete the unfinished image and back up again' },
  );
}
