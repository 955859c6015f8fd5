import type { Compression } from '../src/config/compression.ts';
import type { DataKind } from './source.ts';

/** The chain's own parts into a store that forgets everything at once. */
export interface ChainWork {
  readonly kind: 'chain';
  readonly checksum: boolean;
  readonly lz4: boolean;
}

/** A whole image through ImageWriter, manifest and all. */
export interface ImageWork {
  readonly kind: 'image';
  readonly store: 's3' | 'directory';
  /** How bodies are protected on plain HTTP. */
  readonly wireIntegrity?: 'sha256' | 'none';
  readonly directIo?: boolean;
  readonly compression?: Compression;
  readonly shuffled?: boolean;
  /** A stage of bench/stages that the image passes through. */
  readonly stage?: 'noop' | 'observe' | 'fresh' | 'in-place';
  /** Write an image of so many chunks first, so that threads run and memory has its pages, as in an engine. */
  readonly warm?: number;
}

/** `Upload` of @aws-sdk/lib-storage, fed with a stream. */
export interface LibStorageWork {
  readonly kind: 'lib-storage';
  /**
   * `default`: as it comes. `when-required`: without the extra CRC32. `unsigned`: also without the
   * payload's SHA-256.
   */
  readonly mode: 'default' | 'when-required' | 'unsigned';
}

export type Work = ChainWork | ImageWork | LibStorageWork;

export interface BenchCase {
  /** What --filter looks at. */
  readonly name: string;
  /** For the table. */
  readonly title: string;
  readonly data: DataKind;
  /** Bytes in a full run, as a share of the size given to the run: slow cases get less. */
  readonly share: number;
  readonly work: Work;
}

const chain = (name: string, title: string, data: DataKind, checksum: boolean, lz4: boolean): BenchCase => ({
  name: `chain-${name}`,
  title: `chain, ${title}`,
  data,
  share: lz4 && data !== 'random' ? 0.25 : 1,
  work: { kind: 'chain', checksum, lz4 },
});

/** In the order of the table; the first row is what others are compared with. */
export const CASES: readonly BenchCase[] = [
  chain('plain', 'no checksum', 'random', false, false),
  chain('checksum', 'checksum', 'random', true, false),
  chain('lz4-random', 'LZ4, random data', 'random', false, true),
  chain('lz4-text', 'LZ4, text', 'text', false, true),
  chain('lz4-tar', 'LZ4, tar of files', 'tar', false, true),
  chain('checksum-lz4-tar', 'checksum, LZ4, tar of files', 'tar', true, true),
  {
    name: 'image-s3-signed',
    title: 'image to S3, signed payload',
    data: 'random',
    share: 1,
    work: { kind: 'image', store: 's3', wireIntegrity: 'sha256' },
  },
  {
    name: 'image-s3-unsigned',
    title: 'image to S3, unsigned payload',
    data: 'random',
    share: 1,
    work: { kind: 'image', store: 's3', wireIntegrity: 'none' },
  },
  {
    name: 'image-directory-direct',
    title: 'image to a directory, direct I/O',
    data: 'random',
    share: 0.5,
    work: { kind: 'image', store: 'directory', directIo: true },
  },
  {
    name: 'image-directory-buffered',
    title: 'image to a directory, buffered',
    data: 'random',
    share: 0.5,
    work: { kind: 'image', store: 'directory', directIo: false },
  },
  ...(['default', 'when-required', 'unsigned'] as const).map(
    (mode): BenchCase => ({
      name: `lib-storage-${mode}`,
      title: `lib-storage Upload, ${mode}`,
      data: 'random',
      share: 0.5,
      work: { kind: 'lib-storage', mode },
    }),
  ),
];

/** Everything that a child process needs to run one case. */
export interface Job {
  readonly work: Work;
  readonly data: DataKind;
  readonly bytes: number;
  readonly chunkBytes: number;
  readonly partBytes: number;
  readonly parallelParts: number;
  readonly memoryBudget: number;
  /** `http://127.0.0.1:port` of the sink. */
  readonly endpoint: string;
  /** An empty directory on the disk to be measured. */
  readonly directory: string;
}

/** What a child process measured. */
export interface Outcome {
  readonly seconds: number;
  /** User and system time of all its threads while the case ran, seconds. It has no children. */
  readonly cpuSeconds: number;
  /** Of the whole process, bytes. */
  readonly peakRss: number;
  readonly storedBytes: number;
  /** Tree hash of an image, as its manifest has it. */
  readonly checksum?: string;
  /** Which native SHA-256 ran. */
  readonly hasher?: string;
}
