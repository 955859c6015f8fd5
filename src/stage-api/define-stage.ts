import type { ChunkInfo, ImageInfo, ImageTotals, Json, JsonObject, StageContext } from './context.ts';
import type { StandardSchema } from './standard-schema.ts';

/** The version of this interface. It grows compatibly; a stage says which one it was written for. */
export const API_VERSION = 1;

/** Bytes in memory that is the stage's own. */
export type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Where a stage's functions run.
 *
 * - `worker` (the default): on threads of their own, several calls at once on different threads. A stage that throws, hangs, crashes or takes too much
 *   memory fails the image that it was working on, and nothing else.
 * - `native`: in the engine's own process, for stages that only start work of libuv's or an addon's threads (node:zlib, node:crypto
 *   by their asynchronous functions). They must return a promise at once; nothing protects the engine from them.
 * - `main`: as `native` in the command line, as `worker` in the engine. For functions that cost next to nothing.
 */
export type Placement = 'worker' | 'native' | 'main';

interface StageBase<Options> {
  /** `vast-ost-stage-NAME` or `@scope/vast-ost-stage-NAME`: the package's name. It stands in manifests for ever. */
  readonly name: string;
  /** Semantic version, the package's. Images are read by the same major version, of which no minor version is older than the one that wrote. */
  readonly version: string;
  /** {@link API_VERSION} that the stage was written for. */
  readonly apiVersion: 1;
  /** Checks options and completes them with defaults. What it gives must be JSON, and must pass it again unchanged. Default: no options. */
  readonly optionsSchema?: StandardSchema<Options>;
  /** Options that are secrets: they name a place (`file:PATH`, `env:NAME`), are never recorded, and do not pass `optionsSchema`. */
  readonly secrets?: Readonly<Record<string, 'required' | 'optional'>>;
  readonly placement?: Placement;
  /** Chunks that it works on at the same time, 1 to 16; threads, with `worker`. Default: one per processor, at most 4. */
  readonly concurrency?: number;
  /** Seconds after which a call counts as hanging, 1 to 3600. Default 60. */
  readonly timeoutSeconds?: number;
  /** MiB of memory that one thread may take beside the chunk and the result, 16 to 4096. Default 256. */
  readonly memoryMb?: number;
}

/** Changes the bytes of chunks on their way to storage, and back. */
export interface TransformStage<Options = JsonObject, State = undefined> extends StageBase<Options> {
  readonly kind: 'transform';
  /** The same chunk of the same image always gives the same bytes. `vast-ost stage test` then holds it to that. */
  readonly deterministic?: boolean;
  /** `encode` makes at most `length × factor + bytes` bytes of `length`: factor 1 to 2 (default 1), bytes 0 to 1048576 (default 4096). */
  readonly maxExpansion?: { readonly factor?: number; readonly bytes?: number };
  /** Major versions beside its own whose images `decode` reads; see {@link StageContext.writtenBy}. */
  readonly reads?: readonly number[];
  /** Called once for a new image: what to record in its manifest (a salt, the name of a key), at most 64 KiB. Never secrets. */
  record?(context: StageContext<Options>): JsonObject | Promise<JsonObject>;
  /**
   * Make what the calls for one image share (a cipher's key, a dictionary). It is made once per thread and image, and made again when it was
   * dropped in between: keep nothing in it that a chunk leaves for the next.
   */
  open?(context: StageContext<Options>): State | Promise<State>;
  /**
   * Make of a chunk what is stored. Chunks come in any order and at the same time, and one may come twice.
   *
   * @param data the chunk; the stage may change it and may return it. It is gone when the call has ended. Unchanged, it or a part of it is returned without a copy.
   * @returns bytes whose memory is the engine's from then on.
   */
  encode(data: Bytes, chunk: ChunkInfo, context: StageContext<Options>, state: State): Uint8Array | Promise<Uint8Array>;
  /**
   * The inverse. What it gets may be anything: throw, and the chunk counts as damaged; see {@link StageError}.
   *
   * @param data what was stored; the stage may change it and may return it.
   */
  decode(data: Bytes, chunk: ChunkInfo, context: StageContext<Options>, state: State): Uint8Array | Promise<Uint8Array>;
  /**
   * Called once all chunks are stored, before the image becomes visible: what to record of the whole image (a code that tells whether some of it is
   * missing), as JSON, at most 64 KiB. Never secrets. It is `context.sealed` when the image is read; an image without a chunk is then opened as well.
   */
  seal?(image: ImageTotals, context: StageContext<Options>, state: State): JsonObject | Promise<JsonObject>;
  /** Let go of what `open` made. */
  close?(state: State): void;
}

/** What an observer found in one chunk. */
export interface Observation<Result> {
  readonly chunk: ChunkInfo;
  readonly result: Result;
}

/** Looks at chunks on their way to storage and changes nothing. It is not recorded; images are read without it. */
export interface ObserverStage<Options = JsonObject, Result extends Json = Json> extends StageBase<Options> {
  readonly kind: 'observer';
  /** Look only at so many pieces of so many bytes, spread evenly over the chunk, and get them joined. Default: the whole chunk. */
  readonly sample?: { readonly pieces: number; readonly bytes: number };
  /**
   * Look at a chunk. The image goes on meanwhile by no more than `concurrency` chunks, so an observer can also hold a backup back; it becomes visible when all
   * promises that this may return are resolved.
   *
   * @param data not to be written to.
   * @param leaves SHA-256 digests of the chunk's MiBs, 32 bytes each.
   * @returns what to keep of it for `finish`, at most 64 KiB as JSON.
   */
  observe(data: Bytes, chunk: ChunkInfo, context: StageContext<Options>, leaves: Uint8Array): Result | Promise<Result>;
  /**
   * Called when all chunks have passed, before the image becomes visible.
   *
   * @param found in the chunks' order.
   * @param complete false when some chunks passed through another process, before the engine was restarted, and are not in `found`.
   */
  finish?(
    found: readonly Observation<Result>[],
    complete: boolean,
    context: StageContext<Options>,
  ): void | Promise<void>;
}

/** Where a router wants an image to go. */
export interface Route {
  /** Another LSU of the same storage. Only the command line can follow; NetBackup looks for images where it put them. */
  readonly lsu?: string;
  /** S3 storage class of the image's objects. */
  readonly storageClass?: string;
}

/** Chooses where a new image goes. It is not recorded. */
export interface RouterStage<Options = JsonObject> extends StageBase<Options> {
  readonly kind: 'router';
  /** Undefined: where it would go anyway. */
  route(image: ImageInfo, context: StageContext<Options>): Route | undefined | Promise<Route | undefined>;
}

/**
 * A stage, to be the default export of its package. This changes nothing: it is there for its types.
 *
 * `State` of a transform is what its `open` returns; `Result` of an observer what its `observe` does.
 */
export function defineStage<Options = JsonObject, State = undefined>(
  stage: TransformStage<Options, State>,
): TransformStage<Options, State>;
export function defineStage<Options = JsonObject, Result extends Json = Json>(
  stage: ObserverStage<Options, Result>,
): ObserverStage<Options, Result>;
export function defineStage<Options = JsonObject>(stage: RouterStage<Options>): RouterStage<Options>;
export function defineStage(stage: object): object {
  return stage;
}
