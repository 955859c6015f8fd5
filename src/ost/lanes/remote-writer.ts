import { type EngineError, failureOf } from '../../errors.ts';
import { type ImageIdentity, imageIdOf } from '../../image/identity.ts';
import type { CloseMode, WriteHandle, WriteProgress, WriteTuning } from '../../image/image-backend.ts';
import type { Manifest } from '../../image/manifest.ts';
import type { Lease } from '../../pipeline/lease.ts';
import type { Arena, SlotSpan } from '../arena.ts';
import type { ImageContext } from '../backend.ts';
import { engineError } from '../errors.ts';
import type { ImageMessage } from './lane.ts';
import { errorOf } from './plain-error.ts';
import type { Opened } from './protocol.ts';
import { RemoteImage, type Seat } from './remote-image.ts';

export interface RemoteWriterOptions {
  readonly context: ImageContext;
  readonly identity: ImageIdentity;
  readonly onReport: WriteTuning['onReport'];
  /** Attach to the image in another lane. */
  readonly attach: () => Promise<Seat>;
}

interface Put {
  readonly chunk: number;
  readonly bytes: SlotSpan;
  readonly last: boolean;
  readonly lease: Lease;
}

/** {@link WriteHandle} whose work is done in a lane. Here are only its slots' leases and numbers. */
export class RemoteWriter implements WriteHandle {
  readonly imageId: string;
  readonly chunkBytes: number;
  readonly firstChunk: number;
  readonly size: number;
  readonly #options: RemoteWriterOptions;
  readonly #remote: RemoteImage;
  /** Handed over and not released, by number of the lease. */
  readonly #puts = new Map<number, Put>();
  readonly #listeners: ((error: EngineError) => void)[] = [];
  #leases = 0;
  #accepted = 0;
  #told: readonly [acknowledged: number, stored: number, partsInFlight: number];
  #failure: EngineError | undefined;
  /** Another lane found the image committed. */
  #committed = false;

  constructor(seat: Seat, options: RemoteWriterOptions) {
    const { chunkBytes, firstChunk, size, progress } = written(seat.opened);
    this.imageId = imageIdOf(options.identity);
    this.chunkBytes = chunkBytes;
    this.firstChunk = firstChunk;
    this.size = size;
    this.#told = progress;
    this.#options = options;
    const { resources, signal } = options.context;
    this.#remote = new RemoteImage({
      meters: resources.meters,
      flow: resources.flow,
      signal,
      move: options.attach,
      heard: (message) => this.#heard(message),
      onMoved: ({ opened }) => {
        this.#committed = opened === undefined;
        if (opened !== undefined) this.#told = written(opened).progress;
        this.#sendAgain();
      },
      onFailed: (error) => this.#fail(error),
    });
    this.#remote.start(seat);
  }

  get progress(): WriteProgress {
    const [acknowledged, stored, partsInFlight] = this.#told;
    return { accepted: this.#accepted, acknowledged, stored, partsInFlight };
  }

  onFailure(listener: (error: EngineError) => void): void {
    if (this.#failure !== undefined) listener(this.#failure);
    else this.#listeners.push(listener);
  }

  present(chunk: number, into: Uint8Array): Promise<number> {
    return this.#remote.call({ call: 'present', chunk, into: spanIn(this.#options.context.arena, into) });
  }

  put(chunk: number, bytes: Uint8Array, last: boolean, lease: Lease): void {
    if (this.#failure !== undefined) {
      lease.release();
      return;
    }
    this.#leases += 1;
    const put = { chunk, bytes: spanIn(this.#options.context.arena, bytes), last, lease };
    this.#puts.set(this.#leases, put);
    this.#accepted += bytes.byteLength;
    this.#send(this.#leases, put);
  }

  flush(): Promise<void> {
    return this.#remote.call({ call: 'flush' });
  }

  writeMeta(index: number, bytes: Uint8Array): Promise<void> {
    return this.#remote.call({ call: 'writeMeta', index, bytes: spanIn(this.#options.context.arena, bytes) });
  }

  readMeta(index: number): Promise<Uint8Array> {
    return this.#remote.call({ call: 'readMeta', index });
  }

  async close(mode: CloseMode, size: number): Promise<Manifest | undefined> {
    // From now on failures are told by the close.
    this.#listeners.length = 0;
    try {
      return await this.#remote.call({ call: 'close', mode, size });
    } catch (error) {
      // The lane had published it when it ended, and only its answer was lost.
      if (this.#committed && mode === 'complete') return undefined;
      throw error;
    } finally {
      this.#end();
    }
  }

  async detach(): Promise<void> {
    this.#listeners.length = 0;
    try {
      await this.#remote.call({ call: 'detach' });
    } catch {
      // The lane has ended, or the handle had: nothing touches the slots either way.
    } finally {
      this.#end();
    }
  }

  #heard(message: ImageMessage): void {
    const { context, onReport } = this.#options;
    if (message.say === 'freed') for (const lease of message.leases) this.#release(lease);
    else if (message.say === 'progress') this.#told = message.progress;
    else if (message.say === 'failed') this.#fail(engineError(errorOf(message.error)));
    else if (message.say === 'report') onReport?.(message.stage, message.report);
    else if (message.say === 'skew') context.lock?.onSkew?.(message.skewMs);
  }

  #send(number: number, { chunk, bytes, last }: Put): void {
    const { seat } = this.#remote;
    seat?.lane.send({ say: 'put', image: seat.image, chunk, bytes, last, lease: number });
  }

  /** What the new handle has in storage already it gives back at once. */
  #sendAgain(): void {
    if (this.#committed) this.#releaseAll();
    for (const [number, put] of this.#puts) this.#send(number, put);
  }

  #release(number: number): void {
    const put = this.#puts.get(number);
    this.#puts.delete(number);
    put?.lease.release();
  }

  #releaseAll(): void {
    for (const number of [...this.#puts.keys()]) this.#release(number);
  }

  #fail(error: EngineError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    // A lane frees them itself; where there is none, nobody else does.
    if (this.#remote.seat === undefined) this.#releaseAll();
    const listeners = this.#listeners.splice(0);
    // Nobody is there any more to hear that the session has ended.
    if (failureOf(error) !== 'aborted') for (const listener of listeners) listener(error);
  }

  #end(): void {
    this.#remote.end();
    this.#releaseAll();
  }
}

function written(opened: Opened): Extract<Opened, { kind: 'write' }> {
  if (opened?.kind !== 'write') throw new Error('the lane opened something else');
  return opened;
}

/** Slots are all that a lane shares with us. */
export function spanIn(arena: Arena, bytes: Uint8Array): SlotSpan {
  const span = arena.spanOf(bytes);
  if (span === undefined) throw new Error('memory that no lane has');
  return span;
}
