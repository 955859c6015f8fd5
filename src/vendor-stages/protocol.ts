import type {
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

/** One call of a stage's code, wherever it runs. */
export type StageCall =
  | { readonly call: 'describe' }
  | { readonly call: 'options'; readonly options: JsonObject }
  | { readonly call: 'record' | 'open' | 'route'; readonly session: StageSession }
  | { readonly call: 'seal'; readonly session: StageSession; readonly totals: ImageTotals }
  | {
      readonly call: 'encode' | 'decode';
      readonly session: StageSession;
      readonly chunk: ChunkInfo;
      readonly data: Uint8Array<ArrayBuffer>;
    }
  | {
      readonly call: 'observe';
      readonly session: StageSession;
      readonly chunk: ChunkInfo;
      readonly data: Uint8Array<ArrayBuffer>;
      readonly leaves: Uint8Array;
    }
  | {
      readonly call: 'finish';
      readonly session: StageSession;
      readonly found: readonly Observation<Json>[];
      readonly complete: boolean;
    };

/** What came of it. */
export type StageAnswer =
  | {
      /** JSON of what the function returned, but for bytes. */
      readonly value?: Json;
      readonly data?: Uint8Array<ArrayBuffer>;
      /** The memory of the call's bytes, when it is not that of the result. */
      readonly spare?: ArrayBuffer;
      readonly reports: readonly StageReport[];
    }
  | { readonly error: { readonly kind: StageErrorKind | 'load' | 'options'; readonly message: string } };

/** Most bytes of JSON that a stage's function may return. */
export const MAX_VALUE_BYTES = 65_536;
