import type { Place } from '../pipeline/place.ts';
import type {
  Bytes,
  ChunkInfo,
  ImageInfo,
  ImageTotals,
  Json,
  JsonObject,
  Observation,
  StageErrorKind,
  StageReport,
} from '../stage-api/index.ts';

/** What all calls for one image in one direction share. */
export interface StageSession {
  /** Unique in the process: a thread keeps what `open` made under it. */
  readonly id: string;
  readonly options: JsonObject;
  readonly recorded: JsonObject;
  readonly sealed: JsonObject;
  readonly size?: number | undefined;
  readonly secrets: Readonly<Record<string, Uint8Array>>;
  readonly image: ImageInfo;
  readonly writtenBy: string;
}

/** A call that is about no chunk. */
type PlainCall =
  | { readonly call: 'describe' }
  | { readonly call: 'options'; readonly options: JsonObject }
  | { readonly call: 'record' | 'open' | 'route'; readonly session: StageSession }
  | { readonly call: 'seal'; readonly session: StageSession; readonly totals: ImageTotals }
  | {
      readonly call: 'finish';
      readonly session: StageSession;
      readonly found: readonly Observation<Json>[];
      readonly complete: boolean;
    };

interface ChunkCall {
  readonly session: StageSession;
  readonly chunk: ChunkInfo;
}

export interface TransformCall extends ChunkCall {
  readonly call: 'encode' | 'decode';
  /** The chunk's bytes, in slabs that are left as they are. */
  readonly input: readonly Place[];
  /** A slab for the result, large enough for the input as well. Undefined: the result should be a part of the input, which is then one piece. */
  readonly output: Place | undefined;
  /** Work on a copy in the output: the stage is known to change what it is given. */
  readonly copy: boolean;
}

/** A chunk for an observer. */
export interface SeenChunk {
  readonly chunk: ChunkInfo;
  readonly input: Place;
  readonly leaves: Uint8Array;
}

/** For several chunks, one after the other: what it returns for each is an array. */
export interface ObserveCall {
  readonly call: 'observe';
  readonly session: StageSession;
  readonly seen: readonly SeenChunk[];
  readonly sample: { readonly pieces: number; readonly bytes: number } | undefined;
  /** Tell whether it wrote to what it was given. */
  readonly watch: boolean;
}

/** One call of a stage's code, wherever it runs: what is told to its thread. */
export type StageCall = PlainCall | TransformCall | ObserveCall;

/** The same, with the chunk's bytes at hand. */
export type HostCall =
  | PlainCall
  | (ChunkCall & { readonly call: 'encode' | 'decode'; readonly data: Bytes })
  | (ChunkCall & { readonly call: 'observe'; readonly data: Bytes; readonly leaves: Uint8Array });

/** Why there is no result. */
export interface StageFault {
  readonly error: { readonly kind: StageErrorKind | 'load' | 'options'; readonly message: string };
  /** Which of the call's chunks it was. */
  readonly nth?: number;
}

/** What a stage's function returned. */
export type HostAnswer =
  | {
      /** As JSON, but for bytes. */
      readonly value?: Json;
      readonly data?: Uint8Array;
      readonly reports: readonly StageReport[];
    }
  | StageFault;

/** Where the result of a transform is. */
export interface StoredResult {
  /** `nowhere`: there is no place for it, or it is longer than it may be. */
  readonly from: 'input' | 'output' | 'nowhere';
  /** Where it begins in the input; in the output it is at the beginning. */
  readonly offset: number;
  readonly bytes: number;
  /** How far the output was written to. */
  readonly written: number;
}

/** What came of a call. */
export type StageAnswer =
  | {
      readonly value?: Json;
      readonly stored?: StoredResult;
      /** The stage wrote to what it was given. */
      readonly changed?: boolean;
      /** Of the thread, by its windows: V8 counts them as memory. */
      readonly windowBytes?: number;
      readonly reports: readonly StageReport[];
    }
  | StageFault;

/** Most bytes of JSON that a stage's function may return. */
export const MAX_VALUE_BYTES = 65_536;
