import type { z } from 'zod';
import type { Bridge } from '../bridge/bridge.ts';
import type { ImageInfo, StageReport } from '../stage-api/index.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { Chunk } from './chunk.ts';
import type { LeaseScope } from './lease.ts';
import type { SlabPool } from './slab-pool.ts';
import type { StageMeters } from './stage-meters.ts';

/** The memory that an image's stages work with. */
export interface StageMemory {
  /** Take a ticket before holding new payload memory. */
  readonly budget: Pick<ByteBudget, 'take' | 'takeForOutput'>;
  /** Register what is held, so that teardown can free it. */
  readonly scope: LeaseScope;
  readonly bridge: Pick<Bridge, 'leafDigests' | 'xxh32'>;
  /** On write: the streams of all images in the same storage; absent where there are none. */
  readonly flow?: StageMeters;
}

/** Hears what a stage tells people of one image. */
export type OnImageReport = (stage: string, report: StageReport) => void;

/** What the engine lends to a stage for one image. */
export interface StageEnv extends StageMemory {
  /** Memory for what stages make, page-aligned. */
  readonly slabs: Pick<SlabPool, 'acquireOutput'>;
  readonly image: ImageInfo;
  /** On the way back: bytes of the image, as its manifest says. Undefined for an image that is not complete. */
  readonly size?: number;
  /** The most bytes that the stages before this one make of a chunk of so many bytes. */
  readonly before: (length: number) => number;
  /** On write, when the last chunk has passed: others will follow, from another writer. */
  readonly suspends?: () => boolean;
  /** On write: hears what observers tell people of this image, beside the log. */
  readonly onReport?: OnImageReport | undefined;
}

/** A stage at work on one image, in one direction. */
export interface StageInstance {
  /** Chunks it may be given at the same time. Results leave in the order of the inputs whatever this is. */
  readonly concurrency: number;
  /**
   * Work on one chunk. The result takes over: a stage that replaces `pieces` releases the old lease. The
   * signal fires at teardown; leases left behind are freed by the scope.
   */
  apply(chunk: Chunk, signal: AbortSignal): Promise<Chunk> | Chunk;
  /** After the last chunk. */
  flush?(): Promise<void>;
  /** Free what the instance holds; called exactly once, whatever happened. */
  close?(): Promise<void>;
}

/**
 * One step of the chain and its inverse. What a stage did to an image is recorded in the manifest as
 * a {@link StageRecord}, and a restore builds the inverse from it.
 */
export interface Stage<Options> {
  /** `[a-z][a-z0-9-]*`, recorded in manifests for ever. */
  readonly name: string;
  /** Semantic version. A reader accepts records of the same major and no later minor version. */
  readonly version: string;
  /** Checks and completes options, on write and, because manifests are input, on restore. */
  readonly options: z.ZodType<Options>;
  /** True when the stage changes the payload's bytes; a reader may then not fetch parts of a chunk. */
  readonly transforms: boolean;
  /** The most bytes that `forward` makes of `length` bytes. A reader refuses larger stored chunks. */
  bound(length: number, options: Options): number;
  /**
   * Memory that the stage takes for its output while it works on one chunk of `length` bytes, in either direction; 0 when it works
   * in place. The engine keeps that much of the budget free of new input.
   */
  workingBytes(length: number, options: Options): number;
  /** On the way to storage. */
  forward(options: Options, env: StageMemory): StageInstance;
  /** On the way back. */
  inverse(options: Options, env: StageMemory): StageInstance;
}

/** A stage as a manifest names it. Options never hold secrets. */
export interface StageRecord {
  readonly name: string;
  readonly version: string;
  readonly options: Readonly<Record<string, unknown>>;
}
