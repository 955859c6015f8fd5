import { DeleteObjectCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { failureOf } from '../../errors.ts';
import { checkSignal } from '../body.ts';
import { checkKey, checkPrefix, isKey } from '../names.ts';
import type { HiddenVersion, RequestOptions, VersionHistory } from '../store.ts';
import type { S3Place } from './head.ts';
import { pages } from './pages.ts';
import type { S3Retention } from './retention.ts';
import type { S3Versioning } from './versioning.ts';

/** Versions deleted at the same time. */
const PARALLEL = 8;

interface ListedVersion extends HiddenVersion {
  readonly isMarker: boolean;
}

interface VersionMarker {
  readonly KeyMarker: string;
  readonly VersionIdMarker?: string;
}

/**
 * What a versioned bucket keeps behind its keys. A version is deleted by its id and only when it was not the newest one, so an object
 * that somebody writes meanwhile is never hit. The delete marker of a key goes when nothing is left that it hides:
 * without it the version below would be an object again.
 */
export class S3History implements VersionHistory {
  readonly #place: S3Place;
  readonly #versioning: S3Versioning;
  readonly #retention: S3Retention;

  constructor(place: S3Place, versioning: S3Versioning, retention: S3Retention) {
    this.#place = place;
    this.#versioning = versioning;
    this.#retention = retention;
  }

  async *hidden(prefix: string, options: RequestOptions = {}): AsyncGenerator<HiddenVersion, undefined> {
    checkPrefix(prefix);
    checkSignal(options.signal);
    if (!(await this.#versioning.enabled(options))) return;
    for await (const { isMarker: _, ...version } of this.#list(prefix, options)) yield version;
  }

  async purge(keys: readonly string[], options: RequestOptions = {}): Promise<HiddenVersion[]> {
    for (const key of keys) checkKey(key);
    checkSignal(options.signal);
    if (keys.length === 0 || !(await this.#versioning.enabled(options))) return [];
    const kept: HiddenVersion[] = [];
    for (const [prefix, wanted] of byFolder(keys)) {
      const found: ListedVersion[] = [];
      for await (const version of this.#list(prefix, options)) if (wanted.has(version.key)) found.push(version);
      const versions = found.filter(({ isMarker }) => !isMarker);
      const locked = await this.#removeAll(versions, options);
      const hides = new Set(locked.map(({ key }) => key));
      await this.#removeAll(
        found.filter(({ isMarker, key }) => isMarker && !hides.has(key)),
        options,
      );
      kept.push(...locked.map(({ isMarker: _, ...version }) => version));
    }
    return kept;
  }

  /** Resolves to those that are locked. */
  async #removeAll(versions: readonly ListedVersion[], options: RequestOptions): Promise<ListedVersion[]> {
    const locked: ListedVersion[] = [];
    for (let at = 0; at < versions.length; at += PARALLEL) {
      const work = versions.slice(at, at + PARALLEL).map(async (version) => {
        if (!(await this.#remove(version, options))) locked.push(version);
      });
      // All are awaited, so that nothing goes on behind the caller's back.
      for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
    }
    return locked;
  }

  /** Whether it is gone; false when it is locked. */
  async #remove({ key, version, isMarker }: ListedVersion, options: RequestOptions): Promise<boolean> {
    const { sender, lsu } = this.#place;
    const task = { operation: 'delete version', lsu, key, signal: options.signal };
    try {
      await sender.send(task, (client, http) =>
        client.send(new DeleteObjectCommand({ Bucket: lsu, Key: key, VersionId: version }), http),
      );
      return true;
    } catch (error) {
      const failure = failureOf(error);
      if (failure === 'not-found') return true;
      // The same refusal says that a version is locked, and that the user may not delete versions at all.
      if (isMarker || failure !== 'access') throw error;
      const { skewMs = 0 } = (await this.#retention.status(options)) ?? {};
      if ((await this.#retention.lockOf({ Key: key, VersionId: version }, skewMs, options)) > 0) return false;
      throw error;
    }
  }

  async *#list(prefix: string, options: RequestOptions): AsyncGenerator<ListedVersion, undefined> {
    const { sender, lsu } = this.#place;
    const versions = pages(async (marker: VersionMarker | undefined) => {
      const task = { operation: 'list versions', lsu, signal: options.signal };
      const answer = await sender.send(task, (client, http) => {
        const input = { Bucket: lsu, Prefix: prefix, MaxKeys: sender.settings.pageSize, ...marker };
        return client.send(new ListObjectVersionsCommand(input), http);
      });
      const items: ListedVersion[] = [];
      for (const {
        Key: key = '',
        VersionId: version = '',
        IsLatest,
        Size: size = 0,
        LastModified,
      } of answer.Versions ?? []) {
        const modified = LastModified?.getTime() ?? 0;
        if (isKey(key) && IsLatest === false) items.push({ key, version, size, modified, isMarker: false });
      }
      for (const { Key: key = '', VersionId: version = '', LastModified } of answer.DeleteMarkers ?? []) {
        const modified = LastModified?.getTime() ?? 0;
        if (isKey(key)) items.push({ key, version, size: 0, modified, isMarker: true });
      }
      const { IsTruncated, NextKeyMarker: KeyMarker = '', NextVersionIdMarker } = answer;
      const next = { KeyMarker, ...(NextVersionIdMarker ? { VersionIdMarker: NextVersionIdMarker } : {}) };
      items.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
      return { items, next: IsTruncated ? next : undefined };
    });
    yield* versions;
  }
}

/** Listings that find the keys: one for a single key, else one for each folder. */
function byFolder(keys: readonly string[]): Map<string, Set<string>> {
  const folders = new Map<string, Set<string>>();
  for (const key of keys) {
    const slash = key.lastIndexOf('/');
    const prefix = slash < 0 ? key : key.slice(0, slash + 1);
    folders.set(prefix, (folders.get(prefix) ?? new Set()).add(key));
  }
  for (const [prefix, set] of [...folders]) {
    const [only] = set;
    if (set.size > 1 || only === undefined || only === prefix) continue;
    folders.delete(prefix);
    folders.set(only, set);
  }
  return folders;
}
