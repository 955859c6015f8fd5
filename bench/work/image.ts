import { fileURLToPath } from 'node:url';
import { bridge } from '../../src/bridge/bridge.ts';
import { compressionStages } from '../../src/config/compression.ts';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings } from '../../src/config/settings.ts';
import { ImageWriter } from '../../src/image/image-writer.ts';
import { createResources } from '../../src/pipeline/resources.ts';
import type { StageRegistry } from '../../src/pipeline/stage-registry.ts';
import { builtInStages } from '../../src/stages/built-in.ts';
import { openStorage } from '../../src/vast/open-storage.ts';
import type { ObjectStore, Storage } from '../../src/vast/store.ts';
import { VendorStages } from '../../src/vendor-stages/vendor-stages.ts';
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

/** What the configuration would load; none without a stage. */
async function loadStages({ stage }: ImageWork, registry: StageRegistry): Promise<VendorStages> {
  const path = fileURLToPath(new URL(`../stages/${stage}.js`, import.meta.url));
  const config = stage === undefined ? '' : `[general]\nstages = ${path}\n`;
  return VendorStages.load(buildSettings(parseIni(config, 'bench.conf')), registry, {
    mainThread: false,
    onReport: () => undefined,
    onOutput: (text) => process.stderr.write(text),
  });
}

/** What `vast-ost backup` does, with a generated source. */
export async function prepareImage(job: Job, work: ImageWork, source: GeneratedSource): Promise<Prepared> {
  const storage = open(job, work);
  const store = await openLsu(storage, work);
  const registry = builtInStages();
  const resources = createResources(bridge, job.memoryBudget, registry);
  const vendors = await loadStages(work, registry);
  const { transforms, observers } = vendors.chainOf({ server: '', lsu: '', policy: '' });
  const create = (basename: string): Promise<ImageWriter> =>
    ImageWriter.create(store, resources, {
      identity: { basename, date: '1700000000', full_name: '', qualifiers: [] },
      metadata: { policy: 'bench', schedule: '', client: '' },
      stages: [...compressionStages(work.compression ?? 'none', resources.stages), ...transforms],
      observers,
      chunkBytes: job.chunkBytes,
      partBytes: job.partBytes,
      parallelParts: job.parallelParts,
      window: job.chunkBytes,
      flatDigest: false,
    });
  const write = async (writer: ImageWriter, bytes: number): Promise<string> => {
    const writes = work.shuffled ? source.shuffled(bytes) : source.sequential(bytes);
    for (const { offset, data } of writes) await writer.write(offset, data);
    return (await writer.commit()).checksum;
  };
  if (work.warm) await write(await create(`warm-${process.pid}`), work.warm * job.chunkBytes);
  const writer = await create(`bench-${process.pid}`);
  return {
    run: async () => {
      const checksum = await write(writer, job.bytes);
      return { storedBytes: writer.progress.stored, checksum, hasher: bridge.implementation.sha256 };
    },
    close: async () => {
      await vendors.close();
      resources.slabs.close();
      await storage.close();
    },
  };
}
