import type { ImageIdentity } from '../image/identity.ts';
import type { HandleContext, ReadHandle, WriteHandle } from '../image/image-backend.ts';
import type { ImageWriterOptions } from '../image/image-writer.ts';
import type { Manifest } from '../image/manifest.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { ObjectStore } from '../vast/store.ts';

/** How a new image is written; what a reopened one keeps is taken from its record. */
export type WriteOptions = Omit<ImageWriterOptions, 'signal' | 'window'>;

export interface CopyProgress {
  readonly signal: AbortSignal;
  /** Called with stored bytes. */
  readonly onProgress: (done: number, total: number) => void;
}

/** What the service needs of src/image: its write and read handles. Injected, so that the protocol can be tested alone. */
export interface ImageBackend {
  /** Throws `exists` for an image that is there, complete or pending. */
  create(context: HandleContext, options: WriteOptions): Promise<WriteHandle>;
  /** Continue a pending image. */
  reopen(context: HandleContext, options: WriteOptions): Promise<WriteHandle>;
  /** Take a handle up again after the connection, or the engine, ended. */
  attach(context: HandleContext, options: WriteOptions): Promise<{ committed: boolean; handle?: WriteHandle }>;
  open(context: HandleContext, identity: ImageIdentity): Promise<ReadHandle>;
  copy(
    from: { readonly store: ObjectStore; readonly imageId: string },
    to: { readonly store: ObjectStore; readonly identity: ImageIdentity },
    resources: Resources,
    options: CopyProgress,
  ): Promise<Manifest>;
}
