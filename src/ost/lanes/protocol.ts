/**
 * What the main thread and a lane say to each other. Payload is never in a message: both have the hosts' memory mapped. Messages of one direction
 * arrive in the order in which they were sent, in batches.
 */
import type { SpanContext } from '@opentelemetry/api';
import type { Settings } from '../../config/settings.ts';
import type { ImageIdentity } from '../../image/identity.ts';
import type { CloseMode, ImageLayout, ReadRange } from '../../image/image-backend.ts';
import type { LockPolicy } from '../../image/image-lock.ts';
import type { Manifest } from '../../image/manifest.ts';
import type { StageRecord } from '../../pipeline/stage.ts';
import type { Outcome, StageTotals } from '../../pipeline/stage-meters.ts';
import type { ImageInfo, StageReport } from '../../stage-api/index.ts';
import type { AttemptEvent, RetryEvent } from '../../vast/retry.ts';
import type { VipAddress } from '../../vast/vip-pool/vip-source.ts';
import type { ArenaLayout, SlotSpan } from '../arena.ts';
import type { RequestService } from '../request-observer.ts';
import type { StorageSettings } from '../server-storage.ts';
import type { StorageFigures } from '../storage-figures.ts';
import type { PlainError } from './plain-error.ts';

/** What a lane is given when it begins. */
export interface LaneStart {
  /** `engine.lanes` is how many there are. */
  readonly settings: Settings;
  /** Which of them it is, from 0. */
  readonly lane: number;
  /** The process's budget, bytes. */
  readonly budget: number;
  readonly logLevel: string;
  /** See {@link BEAT}. */
  readonly beat: SharedArrayBuffer;
}

/** What a lane keeps up to date in shared memory (float64 each), so that it can be read while the lane is silent. */
export const BEAT = {
  /** Counts up a few times a second. */
  count: 0,
  /** Seconds by which the lane's loop was late in the last window, for {@link DELAY_QUANTILES}. */
  delays: 1,
  /** Milliseconds in which the loop was busy since the lane began. */
  active: 5,
  heapBytes: 6,
} as const;
export const BEAT_FIELDS = 7;
export const DELAY_QUANTILES = [0.5, 0.9, 0.99, 1] as const;

/** Where a store is. */
export interface LaneStore {
  readonly server: string;
  readonly settings: StorageSettings;
  /** The main thread knows its VIPs. */
  readonly vips: boolean;
  readonly lsu: string;
  readonly storageClass: string | undefined;
  /** Name of the storage that it lies in, whose share of the memory its images have. */
  readonly storage: string;
}

/** A host's memory. */
export interface LaneArena {
  readonly number: number;
  /** Of the process: open until the lane was told to let go. */
  readonly descriptor: number;
  readonly layout: ArenaLayout;
}

/** How images are locked; the skew of clocks is told by a message. */
export type LaneLock = Omit<LockPolicy, 'onSkew'>;

export interface LaneContext {
  readonly store: LaneStore;
  readonly arena: LaneArena;
  readonly region: number | undefined;
  readonly creator: string;
  readonly lock: LaneLock | undefined;
}

/** Stages and observers by name: the lane has its own. */
export interface LaneTuning {
  readonly partBytes: number;
  readonly parallelParts: number;
  readonly observers: readonly string[];
}
export type LaneLayout = Omit<ImageLayout, 'stages'> & { readonly stages: readonly StageRecord[] };

/** How a handle begins. */
export type Opening =
  | { readonly how: 'create'; readonly layout: LaneLayout; readonly tuning: LaneTuning }
  | {
      readonly how: 'reopen';
      readonly identity: ImageIdentity;
      readonly tuning: LaneTuning;
      /** Whoever left it open may be gone: the main thread knows, see {@link LaneQuestion}. */
      readonly takeOver: boolean;
    }
  | { readonly how: 'attach'; readonly identity: ImageIdentity; readonly tuning: LaneTuning }
  | { readonly how: 'read'; readonly identity: ImageIdentity };

/** Numbers of a {@link WriteProgress}, without what was accepted: acknowledged, stored, parts in flight. */
export type LaneProgress = readonly [acknowledged: number, stored: number, partsInFlight: number];

/** What a handle is when it is open; undefined: the image was committed. */
export type Opened =
  | {
      readonly kind: 'write';
      readonly chunkBytes: number;
      readonly firstChunk: number;
      readonly size: number;
      readonly progress: LaneProgress;
    }
  | { readonly kind: 'read'; readonly manifest: Manifest }
  | undefined;

/** Calls of a handle; see WriteHandle and ReadHandle. */
export type HandleCall =
  | { readonly call: 'present'; readonly chunk: number; readonly into: SlotSpan }
  | { readonly call: 'flush' }
  | { readonly call: 'writeMeta'; readonly index: number; readonly bytes: SlotSpan }
  | { readonly call: 'readMeta'; readonly index: number }
  | {
      readonly call: 'read';
      readonly offset: number;
      readonly length: number;
      readonly into: SlotSpan;
      readonly sequential: boolean;
    }
  | { readonly call: 'close'; readonly mode: CloseMode; readonly size: number }
  | { readonly call: 'detach' };

export interface LaneCopy {
  readonly from: { readonly store: LaneStore; readonly imageId: string };
  readonly to: { readonly store: LaneStore; readonly identity: ImageIdentity };
  readonly sameStorage: boolean;
  readonly creator: string | undefined;
  readonly lock: LaneLock | undefined;
}

/** The span that the work belongs below, and all that comes of it. */
type Below = SpanContext | undefined;

/** What is answered, by `id`. */
export type LaneRequest =
  | { readonly ask: 'open'; readonly context: LaneContext; readonly opening: Opening; readonly span: Below }
  | { readonly ask: 'copy'; readonly copy: LaneCopy; readonly span: Below }
  | ({ readonly ask: 'call' } & HandleCall);

/** A call by its name. */
export type CallOf<K extends HandleCall['call']> = Extract<HandleCall, { readonly call: K }>;

/** Answers of a handle, by what was called. */
export interface CallAnswers {
  present: number;
  flush: undefined;
  writeMeta: undefined;
  readMeta: Uint8Array;
  read: ReadRange;
  close: Manifest | undefined;
  detach: undefined;
}

export type ToLane =
  /** `image` is the number of the handle, or of the copy. */
  | ({ readonly say: 'request'; readonly id: number; readonly image: number } & LaneRequest)
  | { readonly say: 'cancel'; readonly id: number; readonly error: PlainError }
  | { readonly say: 'abort'; readonly image: number; readonly error: PlainError }
  | {
      readonly say: 'put';
      readonly image: number;
      readonly chunk: number;
      readonly bytes: SlotSpan;
      readonly last: boolean;
      readonly lease: number;
    }
  | { readonly say: 'unmap'; readonly arena: number }
  | { readonly say: 'granted'; readonly ticket: number }
  | { readonly say: 'refused'; readonly ticket: number; readonly error: PlainError }
  | { readonly say: 'reclaim'; readonly bytes: number }
  | { readonly say: 'reply'; readonly id: number; readonly value: unknown }
  | { readonly say: 'no-reply'; readonly id: number; readonly error: PlainError }
  | { readonly say: 'end' };

/** What a lane asks the main thread. The answers are {@link FoundVips}, and a boolean. */
export type LaneQuestion =
  | { readonly about: 'vips'; readonly server: string }
  | { readonly about: 'take-over'; readonly image: number; readonly creator: string; readonly touched: number };

export interface FoundVips {
  readonly addresses: readonly VipAddress[];
  readonly maxAgeMs: number | undefined;
}

/** The clocks of one handle. */
export interface ImageStages {
  readonly totals: readonly StageTotals[];
  readonly mismatches: number;
  readonly healed: number;
  /** Chunks that were compressed or not, in the image's storage, since this was told last. */
  readonly decided: Readonly<Record<Outcome, number>>;
}

export type LaneEvent =
  | {
      readonly service: RequestService;
      readonly attempt: Omit<AttemptEvent, 'error'> & { readonly error: PlainError | undefined };
    }
  | { readonly service: RequestService; readonly retry: Omit<RetryEvent, 'error'> & { readonly error: PlainError } };

export type FromLane =
  | { readonly say: 'ready' }
  | { readonly say: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly say: 'error'; readonly id: number; readonly error: PlainError }
  | { readonly say: 'freed'; readonly image: number; readonly leases: readonly number[] }
  | { readonly say: 'progress'; readonly image: number; readonly progress: LaneProgress }
  | { readonly say: 'failed'; readonly image: number; readonly error: PlainError }
  | { readonly say: 'report'; readonly image: number; readonly stage: string; readonly report: StageReport }
  /** For people and metrics; `report` is for the image. */
  | { readonly say: 'reported'; readonly stage: string; readonly about: ImageInfo; readonly report: StageReport }
  | { readonly say: 'skew'; readonly image: number; readonly skewMs: number }
  | { readonly say: 'copied'; readonly image: number; readonly done: number; readonly total: number }
  | { readonly say: 'stages'; readonly image: number; readonly stages: ImageStages }
  | { readonly say: 'event'; readonly event: LaneEvent }
  | { readonly say: 'figures'; readonly server: string; readonly figures: readonly StorageFigures[] }
  | { readonly say: 'log'; readonly line: string }
  | {
      readonly say: 'take';
      readonly ticket: number;
      /** Whose share of the budget; undefined: of the whole. */
      readonly share: string | undefined;
      readonly bytes: number;
      readonly output: boolean;
      readonly idle: number;
    }
  | { readonly say: 'keep'; readonly ticket: number; readonly bytes: number; readonly idle: number }
  | { readonly say: 'reserve'; readonly reserve: number; readonly share: string | undefined; readonly bytes: number }
  | { readonly say: 'unreserve'; readonly reserve: number }
  | { readonly say: 'idle'; readonly bytes: number }
  | { readonly say: 'question'; readonly id: number; readonly question: LaneQuestion };
