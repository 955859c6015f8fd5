import { joined } from '../../pipeline/joined.ts';
import { processors } from '../../pipeline/processors.ts';
import { WorkerPool } from '../../pipeline/worker-pool.ts';

export interface CodecRequest {
  readonly operation: 'compress' | 'decompress';
  readonly data: Uint8Array<ArrayBuffer>;
}

/** What a thread made, and for how long it worked on that. */
interface CodecResult {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly milliseconds: number;
}

export type CodecAnswer = CodecResult | { readonly error: string };

const MAX_THREADS = 4;

/**
 * LZ4 frames on threads of our own, shared by all images of the process, or of one of its lanes. lz4-napi's asynchronous functions are not used: memory that they allocate on
 * one thread and free on another is kept by its allocator, gigabytes of it (docs/decisions/0005). Its synchronous ones keep
 * nothing when they stay on one thread.
 */
export class Lz4Codec {
  readonly threads: number = Math.min(MAX_THREADS, processors());
  readonly #pool: WorkerPool<CodecAnswer>;

  constructor() {
    const file = import.meta.url.endsWith('.ts') ? './codec-worker.ts' : './codec-worker.js';
    this.#pool = new WorkerPool({ file: new URL(file, import.meta.url), threads: this.threads });
  }

  /** One frame with content checksum, of the pieces one after the other. They must stay as they are until this resolves. */
  compress(...pieces: readonly Uint8Array[]): Promise<CodecResult> {
    return this.#run('compress', pieces);
  }

  /** The content of exactly one frame, which must have been inspected: decoding allocates what the frame asks for. */
  async decompress(frame: Uint8Array): Promise<Uint8Array> {
    return (await this.#run('decompress', [frame])).data;
  }

  async #run(operation: CodecRequest['operation'], pieces: readonly Uint8Array[]): Promise<CodecResult> {
    const answer = await this.#pool.run({
      // A copy is made when a thread is free: of few chunks at a time, however many wait.
      create: () => {
        const message: CodecRequest = { operation, data: joined(pieces) };
        return { message, transfer: [message.data.buffer] };
      },
    });
    if ('error' in answer) throw new Error(answer.error);
    return answer;
  }
}

/** The one codec of the process, or of a lane. */
export const lz4Codec = new Lz4Codec();
