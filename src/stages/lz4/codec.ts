import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { joined } from './joined.ts';

export interface CodecRequest {
  readonly id: number;
  readonly operation: 'compress' | 'decompress';
  readonly data: Uint8Array<ArrayBuffer>;
}

export interface CodecAnswer {
  readonly id: number;
  readonly data?: Uint8Array<ArrayBuffer>;
  readonly error?: string;
}

interface Job {
  resolve(data: Uint8Array): void;
  reject(error: Error): void;
}

interface Helper {
  readonly worker: Worker;
  readonly jobs: Map<number, Job>;
}

const MAX_THREADS = 4;
/** Jobs that a thread has or will have next; the data of the others stay where they are. */
const JOBS_PER_THREAD = 2;

/**
 * LZ4 frames on threads of our own, shared by all images of the process. lz4-napi's asynchronous functions are not used: memory that they allocate on
 * one thread and free on another is kept by its allocator, gigabytes of it (docs/decisions/0005). Its synchronous ones keep
 * nothing when they stay on one thread.
 */
export class Lz4Codec {
  readonly threads: number = Math.min(MAX_THREADS, availableParallelism());
  readonly #helpers: Helper[] = [];
  /** Who waits for a turn, the first one first: copies are made of few chunks at a time, however many there are. */
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #nextId = 0;

  /** One frame with content checksum, of the pieces one after the other. They must stay as they are until this resolves. */
  compress(...pieces: readonly Uint8Array[]): Promise<Uint8Array> {
    return this.#run('compress', pieces);
  }

  /** The content of exactly one frame, which must have been inspected: decoding allocates what the frame asks for. */
  decompress(frame: Uint8Array): Promise<Uint8Array> {
    return this.#run('decompress', [frame]);
  }

  async #run(operation: CodecRequest['operation'], pieces: readonly Uint8Array[]): Promise<Uint8Array> {
    if (this.#running < this.threads * JOBS_PER_THREAD) this.#running += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await this.#send(operation, joined(pieces));
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  #send(operation: CodecRequest['operation'], data: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    const helper = this.#leastBusy();
    this.#nextId += 1;
    const request: CodecRequest = { id: this.#nextId, operation, data };
    return new Promise((resolve, reject) => {
      helper.jobs.set(request.id, { resolve, reject });
      // Busy threads keep the process alive, idle ones do not.
      helper.worker.ref();
      helper.worker.postMessage(request, [data.buffer]);
    });
  }

  #leastBusy(): Helper {
    const idle = this.#helpers.find(({ jobs }) => jobs.size === 0);
    if (idle !== undefined) return idle;
    if (this.#helpers.length < this.threads) return this.#start();
    return this.#helpers.reduce((best, helper) => (helper.jobs.size < best.jobs.size ? helper : best));
  }

  #start(): Helper {
    const file = import.meta.url.endsWith('.ts') ? './codec-worker.ts' : './codec-worker.js';
    const worker = new Worker(new URL(file, import.meta.url));
    const helper: Helper = { worker, jobs: new Map() };
    const fail = (error: Error): void => {
      this.#helpers.splice(this.#helpers.indexOf(helper), 1);
      for (const job of helper.jobs.values()) job.reject(error);
      helper.jobs.clear();
    };
    worker.on('message', ({ id, data, error }: CodecAnswer) => {
      const job = helper.jobs.get(id);
      helper.jobs.delete(id);
      if (helper.jobs.size === 0) worker.unref();
      if (data !== undefined) job?.resolve(data);
      else job?.reject(new Error(error));
    });
    worker.once('error', fail);
    worker.once('exit', (code) => {
      if (this.#helpers.includes(helper)) fail(new Error(`an LZ4 thread ended with code ${code}`));
    });
    worker.unref();
    this.#helpers.push(helper);
    return helper;
  }
}

/** The process's one codec. */
export const lz4Codec = new Lz4Codec();
