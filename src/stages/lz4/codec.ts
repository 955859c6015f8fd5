import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

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

/**
 * LZ4 frames on threads of our own, shared by all images of the process. lz4-napi's asynchronous functions are not used: memory that they allocate on
 * one thread and free on another is kept by its allocator, gigabytes of it (docs/decisions/0005). Its synchronous ones keep
 * nothing when they stay on one thread.
 */
export class Lz4Codec {
  readonly threads: number = Math.min(MAX_THREADS, availableParallelism());
  readonly #helpers: Helper[] = [];
  #nextId = 0;

  /** One frame with content checksum. The data are copied before this returns. */
  compress(data: Uint8Array): Promise<Uint8Array> {
    return this.#run('compress', data);
  }

  /** The content of exactly one frame, which must have been inspected: decoding allocates what the frame asks for. */
  decompress(frame: Uint8Array): Promise<Uint8Array> {
    return this.#run('decompress', frame);
  }

  #run(operation: CodecRequest['operation'], data: Uint8Array): Promise<Uint8Array> {
    const helper = this.#leastBusy();
    this.#nextId += 1;
    const request: CodecRequest = { id: this.#nextId, operation, data: new Uint8Array(data) };
    return new Promise((resolve, reject) => {
      helper.jobs.set(request.id, { resolve, reject });
      // Busy threads keep the process alive, idle ones do not.
      helper.worker.ref();
      helper.worker.postMessage(request, [request.data.buffer]);
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
