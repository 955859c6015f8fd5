import { bridge } from '../../src/bridge/bridge.ts';
import { ImageWriter } from '../../src/image/image-writer.ts';
import { createResources } from '../../src/pipeline/resources.ts';
import { builtInStages } from '../../src/stages/built-in.ts';
import { openStorage } from '../../src/vast/open-storage.ts';
import type { ObjectStore, Storage } from '../../src/vast/store.ts';
import type { ImageWork, Job } from '../case.ts';
import type { GeneratedSource } from '../source.ts';
import type { Prepared } from './prepared.ts';

const LSU = 'bench-lsu';

/** The sink checks no signatures. */
export const CREDENTIALS = { accessKeyId: 'bench', secretAccessKey: 'bench' } as const;

function open(job: Job, work: ImageWork): Storage {
  if (work.store === 'directory') {
    return openStorage(`file:${job.directory}`, { file: { directIo: work.directIo ?? true } });
  }
  const wireIntegrity = work.wireIntegrity ?? 'auto';
  return openStorage(`s3:${job.endpoint}`, { s3: { credentials: CREDENTIALS, wireIntegrity } });
}

async function openLsu(storage: Storage, work: ImageWork): Promise<ObjectStore> {
  if (work.store === 'directory') await storage.createLsu(LSU);
  return storage.open(LSU);
}

/** What `vast-ost backup` does, with a generated source. */
export async function prepareImage(job: Job, work: ImageWork, source: GeneratedSource): Promise<Prepared> {
  const storage = open(job, work);
  const store = await openLsu(storage, work);
  const resources = createResources(bridge, job.memoryBudget, builtInStages());
  const writer = await ImageWriter.create(store, resources, {
    identity: { basename: `bench-${process.pid}`, date: '1700000000', full_name: '', qualifiers: [] },
    metadata: { policy: 'bench', schedule: '', client: '' },
    stages: work.lz4 ? [resources.stages.configure('lz4', {})] : [],
    chunkBytes: job.chunkBytes,
    partBytes: job.partBytes,
    parallelParts: job.parallelParts,
    window: job.chunkBytes,
    flatDigest: false,
  });
  return {
    run: async () => {
      const writes = work.shuffled ? source.shuffled(job.bytes) : source.sequential(job.bytes);
      for (const { offset, data } of writes) await writer.write(offset, data);
      const { checksum } = await writer.commit();
      return { storedBytes: writer.progress.stored, checksum, hasher: bridge.implementation.sha256 };
    },
    close: async () => {
      resources.slabs.close();
      await storage.close();
    },
  };
}
