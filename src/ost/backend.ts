import type { CopyOptions } from '../image/copy-image.ts';
import type { ImageIdentity } from '../image/identity.ts';
import type {
  HandleContext,
  ImageLayout,
  ReadHandle,
  ReopenOptions,
  WriteHandle,
  WriteTuning,
} from '../image/image-backend.ts';
import type { Manifest } from '../image/manifest.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { ObjectStore } from '../vast/store.ts';
import type { Arena } from './arena.ts';
import type { LaneFigures } from './lanes/lane-figures.ts';
import type { StorageServer } from './storage-server.ts';

/** Where a store is, for a backend whose threads open it by themselves. */
export interface StorePlace {
  readonly server: StorageServer;
  readonly lsu: string;
  /** That new objects get. */
  readonly storageClass?: string | undefined;
}

/** What a handle works with, and where that is found from another thread. */
export interface ImageContext extends HandleContext {
  readonly place: StorePlace;
  /** The memory of whoever fills or reads slots; what handles are given to read or fill lies in it. */
  readonly arena: Arena;
  /** Number of the journal region; undefined for handles without one. */
  readonly region: number | undefined;
}

/** One side of a copy. */
export interface CopyPlace {
  readonly store: ObjectStore;
  readonly place: StorePlace;
}

/** What the service needs of src/image: its handles. Injected, so that the protocol can be tested alone. */
export interface ImageBackend {
  /** Throws `exists` or `busy` for an image that is there, complete or pending. */
  create(context: ImageContext, layout: ImageLayout, tuning: WriteTuning): Promise<WriteHandle>;
  /** Continue a pending image. */
  reopen(context: ImageContext, identity: ImageIdentity, options: ReopenOptions): Promise<WriteHandle>;
  /** Take a handle up again after the connection, or the engine, ended. */
  attach(
    context: ImageContext,
    identity: ImageIdentity,
    tuning: WriteTuning,
  ): Promise<{ readonly committed: boolean; readonly handle?: WriteHandle | undefined }>;
  open(context: ImageContext, identity: ImageIdentity): Promise<ReadHandle>;
  copy(
    from: CopyPlace & { readonly imageId: string },
    to: CopyPlace & { readonly identity: ImageIdentity },
    resources: Resources,
    options: CopyOptions,
  ): Promise<Manifest>;
  /** The threads that it works on, where there are some. */
  readonly lanes?: readonly LaneFigures[];
  /** End them, when no image is open any more. Resolves to whether all ended: what did not still uses memory of this process. */
  close?(): Promise<boolean>;
}
