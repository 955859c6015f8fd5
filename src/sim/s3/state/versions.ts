import { randomBytes } from 'node:crypto';
import { KeyIndex } from './key-index.ts';
import type { DeleteMarker, StoredObject } from './records.ts';

/** One version of a key. */
export type StoredVersion = StoredObject | DeleteMarker;

export function isMarker(version: StoredVersion): version is DeleteMarker {
  return 'marker' in version;
}

/** What clients call a version; one that was made before versioning was turned on is `null`. */
export function versionIdOf({ version }: StoredVersion): string {
  return version ?? 'null';
}

/** Versions made in the same millisecond still get ascending ids. */
let sequence = 0;

export function newVersionId(now: number): string {
  sequence = (sequence + 1) % 0x1000000;
  return now.toString(16).padStart(12, '0') + sequence.toString(16).padStart(6, '0') + randomBytes(7).toString('hex');
}

/** What lies behind the present objects of a bucket: older versions and delete markers, the newest first. */
export class Versions {
  readonly #older = new KeyIndex<StoredVersion[]>();
  #count = 0;

  /** All of them. */
  get count(): number {
    return this.#count;
  }

  of(key: string): readonly StoredVersion[] {
    return this.#older.get(key) ?? [];
  }

  next(from: string, inclusive: boolean): string | undefined {
    return this.#older.next(from, inclusive);
  }

  *all(): Iterable<StoredVersion> {
    for (const versions of this.#older.values()) yield* versions;
  }

  /** Histories by key, the oldest version first. */
  *histories(): Iterable<readonly StoredVersion[]> {
    for (const versions of this.#older.values()) yield versions.toReversed();
  }

  push(version: StoredVersion): void {
    this.#older.set(version.key, [version, ...this.of(version.key)]);
    this.#count += 1;
  }

  /** Replace a version by one that differs in its tags or its lock only. */
  replace(version: StoredObject): void {
    const versions = this.of(version.key).map((each) => (each.version === version.version ? version : each));
    this.#older.set(version.key, versions);
  }

  /** Take a version out; undefined when it is not here. */
  remove(key: string, id: string): StoredVersion | undefined {
    const found = this.of(key).find((version) => versionIdOf(version) === id);
    if (found === undefined) return undefined;
    const rest = this.of(key).filter((version) => version !== found);
    if (rest.length === 0) this.#older.delete(key);
    else this.#older.set(key, rest);
    this.#count -= 1;
    return found;
  }
}
