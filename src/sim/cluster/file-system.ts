import type { Bucket } from '../s3/state/bucket.ts';
import type { SimState } from '../s3/state/sim-state.ts';
import type { ClusterState } from './cluster-state.ts';
import type { Directory } from './records.ts';

/** What lies below a path. */
export interface Usage {
  /** Sum of object sizes, open uploads included. */
  readonly bytes: number;
  /** The same, every object rounded up to blocks of 32 KiB: older VAST manuals say that quotas count so. */
  readonly blockBytes: number;
  readonly inodes: number;
}

/**
 * The directories of the cluster, each with the bucket folder that holds its bytes. Directories
 * outlive the views that show them. A directory inside another one has bytes of its own.
 */
export class FileSystem {
  readonly #state: ClusterState;
  readonly #buckets: SimState;
  readonly #clock: () => number;

  constructor(state: ClusterState, buckets: SimState, clock: () => number) {
    this.#state = state;
    this.#buckets = buckets;
    this.#clock = clock;
  }

  directory(tenantId: number, path: string): Directory | undefined {
    return this.#state.directories.find((each) => each.tenant_id === tenantId && each.path === path);
  }

  /** The folder with the bytes of a directory. */
  bucket(directory: Directory): Bucket {
    return this.#buckets.bucket(directory.storage);
  }

  /** True for directories, and for what lies above them or is made of keys within them. */
  exists(tenantId: number, path: string): boolean {
    return path === '/' || this.#below(tenantId, path).length > 0 || this.usage(tenantId, path).inodes > 0;
  }

  ensure(tenantId: number, path: string): Directory {
    return this.directory(tenantId, path) ?? this.#make(tenantId, path);
  }

  /** Take over bucket folders that no directory names: they are older than the cluster's state. */
  strays(): string[] {
    const known = new Set(this.#state.directories.all().map(({ storage }) => storage));
    return this.#buckets.buckets().flatMap(({ name }) => (known.has(name) ? [] : [name]));
  }

  adopt(tenantId: number, path: string, storage: string): Directory {
    return this.#state.directories.add((id) => ({ id, tenant_id: tenantId, path, storage }));
  }

  /** Remove a path and all below it; false when there is nothing. */
  remove(tenantId: number, path: string): boolean {
    if (!this.exists(tenantId, path)) return false;
    for (const directory of this.#below(tenantId, path)) {
      this.#state.directories.remove(directory.id);
      this.#buckets.deleteBucket(directory.storage, { contents: true });
    }
    this.#state.commit();
    for (const { directory, prefix } of this.#holders(tenantId, path)) {
      const bucket = this.bucket(directory);
      for (const key of bucket.keysBelow(`${prefix}/`)) bucket.deleteObject(key);
    }
    return true;
  }

  /** Make `to` show what `from` holds now. No bytes move; open uploads are left out. */
  copy(from: { tenantId: number; path: string }, to: { tenantId: number; path: string }): void {
    for (const directory of this.#below(from.tenantId, from.path)) {
      const target = this.bucket(this.ensure(to.tenantId, to.path + directory.path.slice(from.path.length)));
      const source = this.bucket(directory);
      for (const key of source.keysBelow('')) {
        const object = source.objects.get(key);
        if (object !== undefined) target.putObject(object);
      }
    }
  }

  usage(tenantId: number, path: string): Usage {
    const sum = { bytes: 0, blockBytes: 0, inodes: 0 };
    const add = (usage: Usage) => {
      sum.bytes += usage.bytes;
      sum.blockBytes += usage.blockBytes;
      sum.inodes += usage.inodes;
    };
    for (const directory of this.#below(tenantId, path)) add(this.bucket(directory).usage());
    for (const { directory, prefix } of this.#holders(tenantId, path)) {
      add(this.bucket(directory).usageBelow(`${prefix}/`));
    }
    return sum;
  }

  /** The direct children of a path, with full paths. */
  children(tenantId: number, path: string): string[] {
    const base = path === '/' ? '/' : `${path}/`;
    const names = this.#below(tenantId, path)
      .filter((each) => each.path !== path)
      .map((each) => each.path.slice(base.length).split('/', 1)[0] ?? '');
    return [...new Set(names)].map((name) => base + name);
  }

  /** The directory of a path and those below it. */
  #below(tenantId: number, path: string): Directory[] {
    return this.#state.directories.all().filter((each) => each.tenant_id === tenantId && isBelow(each.path, path));
  }

  /** The directories that a path lies within as a key prefix. */
  #holders(tenantId: number, path: string): { directory: Directory; prefix: string }[] {
    return this.#state.directories
      .all()
      .filter((each) => each.tenant_id === tenantId && each.path !== path && isBelow(path, each.path))
      .map((directory) => ({ directory, prefix: path.slice(directory.path === '/' ? 1 : directory.path.length + 1) }));
  }

  #make(tenantId: number, path: string): Directory {
    const directory = this.#state.directories.add((id) => ({ id, tenant_id: tenantId, path, storage: `dir-${id}` }));
    this.#buckets.createBucket(directory.storage, this.#clock(), '');
    return directory;
  }
}

/** True for the path itself and what lies below it. */
export function isBelow(path: string, above: string): boolean {
  return path === above || above === '/' || path.startsWith(`${above}/`);
}
