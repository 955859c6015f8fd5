import { resolve } from 'node:path';
import type { MountedLsu } from '../config/lsu-data.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { Storage } from '../vast/store.ts';
import type { VipSource } from '../vast/vip-pool/vip-source.ts';
import { examineDirectory } from './directory.ts';
import { examineEndpoint } from './endpoint.ts';
import { type Findings, failure, look, ok, skipped } from './finding.ts';
import { examinePolicy } from './policy.ts';
import { probeImage } from './probe-image.ts';

export interface StorageUnderTest {
  readonly subject: string;
  /** As in the configuration: `file:DIR` or `s3:URL`. */
  readonly url: string;
  readonly caFile: string | undefined;
  /** Who knows the data VIPs of an S3 storage, where there are more than its URL names. */
  readonly vips: VipSource | undefined;
  /** What must be mounted, where that is known. */
  readonly exported: string | undefined;
  /** Its LSUs that are mounted by themselves. */
  readonly mounted: ReadonlyMap<string, MountedLsu>;
  /** Opened to fail early: the doctor does not wait for what will not come. */
  readonly storage: Storage;
  readonly resources: Resources;
  /** Only this LSU. Default: all. */
  readonly lsu: string | undefined;
  /** Whether an image may be written, and deleted again. */
  readonly write: boolean;
  readonly signal: AbortSignal;
}

/** From the address of a storage to an image that was written, read and deleted in each of its LSUs. */
export async function* examineStorage(options: StorageUnderTest): Findings {
  const { subject, url, caFile, vips, exported, mounted, storage, resources, signal } = options;
  if (url.startsWith('file:')) yield* examineDirectory(subject, resolve(url.slice('file:'.length)), exported);
  else yield* examineEndpoint(subject, { url: new URL(url.slice('s3:'.length)), caFile, vips });
  let lsus: readonly string[] = [];
  const listed = await look(subject, 'LSUs', async () => {
    lsus = await storage.lsus({ signal });
    if (lsus.length === 0) return failure('there is none', 'make a bucket, or a folder, for each LSU');
    return ok(lsus.join(', '));
  });
  yield listed;
  for (const lsu of options.lsu === undefined ? lsus : [options.lsu]) {
    const mount = mounted.get(lsu);
    if (mount !== undefined) {
      yield* examineDirectory(`${subject} lsu ${lsu}`, mount.directory, mount.exported);
    } else if (url.startsWith('s3:')) {
      yield await look(`${subject} lsu ${lsu}`, 'bucket policy', async () =>
        examinePolicy(await storage.open(lsu, { signal }), signal),
      );
    }
    yield await look(`${subject} lsu ${lsu}`, 'probe image', async () => {
      if (!options.write) return skipped('nothing is written');
      return probeImage(await storage.open(lsu, { signal }), resources, signal);
    });
  }
}
