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

/** What the service needs of src/image: its handles. Injected, so that the protocol can be tested alone. */
export interface ImageBackend {
  /** Throws `exists` or `busy` for an image that is there, complete or pending. */
  create(context: HandleContext, layout: ImageLayout, tuning: WriteTuning): Promise<WriteHandle>;
  /** Continue a pending image. */
  reopen(context: HandleContext, identity: ImageIdentity, options: ReopenOptions): Promise<WriteHandle>;
  /** Take a handle up again after the connection, or the engine, ended. */
  attach(
    context: HandleContext,
    identity: ImageIdentity,
    tuning: WriteTuning,
  ): Promise<{ readonly committed: boolean; readonly handle?: WriteHandle | undefined }>;
  open(context: HandleContext, identity: ImageIdentity): Promise<ReadHandle>;
  copy(
    from: { readonly store: ObjectStore; readonly imageId: string },
    to: { readonly store: ObjectStore; readonly identity: ImageIdentity },
    resources: Resources,
    options: CopyOptions,
  ): Promise<Manifest>;
}
