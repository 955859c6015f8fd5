import { randomBytes } from 'node:crypto';
import { deleteImage } from '../image/delete-image.ts';
import { ImageReader } from '../image/image-reader.ts';
import { ImageWriter } from '../image/image-writer.ts';
import { verifyImage } from '../image/verify-image.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { ObjectStore } from '../vast/store.ts';
import { ok, type Seen, skipped } from './finding.ts';

const MIB = 2 ** 20;
/** Two parts of S3's smallest size: the way of a large image, with little to send. */
const CHUNK_BYTES = 5 * MIB;
const PROBE_BYTES = 2 * CHUNK_BYTES;
const CLEAN_UP_MS = 30_000;

/** Write an image, read it back, compare every byte, and delete it, as a backup would. Whatever happens it is deleted. */
export async function probeImage(store: ObjectStore, resources: Resources, signal: AbortSignal): Promise<Seen> {
  if ((await store.retention?.status({ signal }))?.byDefault !== undefined) {
    return skipped('the bucket locks every new object, this one as well', 'try a backup that may stay');
  }
  const name = `vast-ost-doctor-${process.pid}-${randomBytes(4).toString('hex')}`;
  const begun = performance.now();
  const identity = { basename: name, date: String(Math.floor(Date.now() / 1000)), full_name: '', qualifiers: [] };
  let imageId: string | undefined;
  try {
    const writer = await ImageWriter.create(store, resources, {
      identity,
      metadata: { policy: 'vast-ost doctor', schedule: '', client: '' },
      stages: [],
      chunkBytes: CHUNK_BYTES,
      partBytes: CHUNK_BYTES,
      parallelParts: 2,
      window: 0,
      flatDigest: false,
      signal,
    });
    ({ imageId } = writer);
    await write(writer);
    const written = performance.now();
    const reader = await ImageReader.open(store, resources, imageId, signal);
    await verifyImage(reader, { readAhead: 2, signal });
    const times = [written - begun, performance.now() - written].map((ms) => (ms / 1000).toFixed(2));
    return ok(`${PROBE_BYTES / MIB} MiB written in ${times[0]} s, read and verified in ${times[1]} s, deleted`);
  } finally {
    // Also when the user has lost patience: nothing may stay behind.
    if (imageId !== undefined) await deleteImage(store, imageId, AbortSignal.timeout(CLEAN_UP_MS));
  }
}

async function write(writer: ImageWriter): Promise<void> {
  try {
    const piece = randomBytes(MIB);
    for (let offset = 0; offset < PROBE_BYTES; offset += MIB) await writer.write(offset, piece);
    await writer.commit();
  } catch (error) {
    await writer.abort(error as Error);
    throw error;
  }
}
