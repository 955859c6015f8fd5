import type { ReadHandle, ReadRange } from '../../image/image-backend.ts';
import type { Manifest } from '../../image/manifest.ts';
import type { ImageContext } from '../backend.ts';
import type { Opened } from './protocol.ts';
import { RemoteImage, type Seat } from './remote-image.ts';
import { spanIn } from './remote-writer.ts';

export interface RemoteReaderOptions {
  readonly context: ImageContext;
  /** Open the image in another lane. */
  readonly open: () => Promise<Seat>;
}

/** {@link ReadHandle} whose work is done in a lane, which puts the bytes into the hosts' slots. */
export class RemoteReader implements ReadHandle {
  readonly imageId: string;
  readonly manifest: Manifest;
  readonly #context: ImageContext;
  readonly #remote: RemoteImage;

  constructor(imageId: string, seat: Seat, { context, open }: RemoteReaderOptions) {
    this.imageId = imageId;
    this.manifest = manifestOf(seat.opened);
    this.#context = context;
    this.#remote = new RemoteImage({
      meters: context.resources.meters,
      flow: context.resources.flow,
      signal: context.signal,
      move: open,
      heard: () => undefined,
      onMoved: () => undefined,
      onFailed: () => undefined,
    });
    this.#remote.start(seat);
  }

  read(
    offset: number,
    length: number,
    into: Uint8Array,
    sequential: boolean,
    signal?: AbortSignal,
  ): Promise<ReadRange> {
    const span = spanIn(this.#context.arena, into);
    return this.#remote.call({ call: 'read', offset, length, into: span, sequential }, signal);
  }

  readMeta(index: number): Promise<Uint8Array> {
    return this.#remote.call({ call: 'readMeta', index });
  }

  async close(): Promise<void> {
    try {
      await this.#remote.call({ call: 'close', mode: 'complete', size: 0 });
    } catch {
      // Its lane has ended: so has everything that wrote into slots.
    } finally {
      this.#remote.end();
    }
  }
}

function manifestOf(opened: Opened): Manifest {
  if (opened?.kind !== 'read') throw new Error('the lane opened something else');
  return opened.manifest;
}
