import { Worker, type WorkerOptions } from 'node:worker_threads';
import { abortError } from '../errors.ts';

/** Sent to a worker whose task nobody waits for any more. It answers as soon as it can, with anything. */
export const ABORT = null;
/** What a thread says first, when it can take tasks: how long it takes to start is no fault of a task. */
export const READY = 'ready';

/** Work for one thread: one message there, one message back. */
export interface Task {
  /** Make the message; called when a thread is free, and again when the task is tried a second time. */
  create(): { readonly message: unknown; readonly transfer: readonly ArrayBuffer[] };
  /** Longer than this it counts as hanging, milliseconds. Default: it may take any time. */
  readonly timeoutMs?: number;
  /** Memory that the thread may have while it works on this, bytes. Default: any. */
  readonly memoryBytes?: number;
  readonly signal?: AbortSignal;
}

export type LossReason = 'crashed' | 'memory' | 'timeout';

/** The thread that worked on a task is gone. */
export class WorkerLost extends Error {
  readonly reason: LossReason;

  constructor(reason: LossReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'WorkerLost';
    this.reason = reason;
  }
}

export interface WorkerPoolOptions {
  readonly file: URL;
  readonly threads: number;
  readonly worker?: WorkerOptions;
  /** Takes what threads write to standard output and error. Default: it goes to those of the process. */
  readonly onOutput?: (text: string) => void;
}

interface Job<Answer> {
  readonly task: Task;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
  readonly onAbort: () => void;
  second: boolean;
}

interface Helper<Answer> {
  readonly worker: Worker;
  ready: boolean;
  /** Tasks answered. */
  served: number;
  job: Job<Answer> | undefined;
  timer: NodeJS.Timeout | undefined;
  gone: boolean;
}

/** How long an aborted task may take to end. */
const GRACE_MS = 2000;
/** How long a thread may take to start, on a machine that is very busy. */
const START_MS = 60_000;
const LOOK_MS = 100;
/** How long a task waits before a further thread is started for it: longer than threads take for short tasks, shorter than one takes to start. */
const PATIENCE_MS = 20;
/** The same while a thread is starting: it will take tasks as well. */
const STARTING_MS = 500;

/**
 * Threads that work on one task at a time each; what waits, waits here. So a thread that dies takes one task with it, and a new
 * thread takes its place. A task whose thread died after it had served others is tried once more, on a new thread: what earlier tasks
 * left behind there must not fail this one.
 *
 * Threads are started when they are needed: the first one at once, further ones when a task has waited for those that run. A
 * thread costs more to start than a short task takes. Busy ones keep the process alive, idle ones do not.
 */
export class WorkerPool<Answer> {
  readonly threads: number;
  readonly #options: WorkerPoolOptions;
  readonly #helpers = new Set<Helper<Answer>>();
  readonly #waiting: Job<Answer>[] = [];
  #looking: NodeJS.Timeout | undefined;
  #patience: NodeJS.Timeout | undefined;
  #lost = 0;

  constructor(options: WorkerPoolOptions) {
    this.threads = options.threads;
    this.#options = options;
  }

  /** Threads that were lost so far. */
  get lost(): number {
    return this.#lost;
  }

  /** The answer of a thread. Rejects with {@link WorkerLost}, or with the signal's error when the thread has stopped working on it. */
  run(task: Task): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { signal } = task;
      if (signal?.aborted) {
        reject(abortError(signal));
        return;
      }
      const job: Job<Answer> = { task, resolve, reject, second: false, onAbort: () => this.#abort(job) };
      signal?.addEventListener('abort', job.onAbort, { once: true });
      this.#waiting.push(job);
      this.#next();
    });
  }

  /** End all threads. Tasks that are not answered yet are lost. */
  async close(): Promise<void> {
    for (const job of this.#waiting.splice(0)) this.#settle(job, () => job.reject(CLOSED));
    this.#wait();
    await Promise.all([...this.#helpers].map((helper) => this.#lose(helper, CLOSED)));
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      const idle = [...this.#helpers].find(({ job }) => job === undefined);
      const helper = idle ?? (this.#helpers.size === 0 ? this.#start() : undefined);
      if (helper === undefined) break;
      this.#begin(helper, this.#waiting.shift() as Job<Answer>);
    }
    this.#wait();
  }

  /** See to a further thread, if tasks wait for long. */
  #wait(): void {
    if (this.#waiting.length === 0 || this.#helpers.size >= this.threads) {
      clearTimeout(this.#patience);
      this.#patience = undefined;
      return;
    }
    const starting = [...this.#helpers].some(({ ready }) => !ready);
    this.#patience ??= setTimeout(
      () => {
        this.#patience = undefined;
        this.#begin(this.#start(), this.#waiting.shift() as Job<Answer>);
        this.#wait();
      },
      starting ? STARTING_MS : PATIENCE_MS,
    );
  }

  #begin(helper: Helper<Answer>, job: Job<Answer>): void {
    const { task } = job;
    try {
      const { message, transfer } = task.create();
      helper.worker.postMessage(message, transfer);
    } catch (error) {
      this.#settle(job, () => job.reject(error));
      return;
    }
    helper.job = job;
    helper.worker.ref();
    this.#limit(helper, job);
    if (task.memoryBytes !== undefined) this.#looking ??= setInterval(() => void this.#look(), LOOK_MS).unref();
  }

  #limit(helper: Helper<Answer>, { task: { timeoutMs } }: Job<Answer>): void {
    clearTimeout(helper.timer);
    if (timeoutMs === undefined) return;
    const limit = helper.ready ? timeoutMs : Math.max(START_MS, timeoutMs);
    const said = `it did not ${helper.ready ? 'answer' : 'start'} for ${limit / 1000} seconds`;
    helper.timer = setTimeout(() => void this.#lose(helper, new WorkerLost('timeout', said)), limit);
  }

  #start(): Helper<Answer> {
    const { file, worker: options, onOutput } = this.#options;
    const captured = onOutput === undefined ? {} : { stdout: true, stderr: true };
    const worker = new Worker(file, { ...options, ...captured });
    const helper: Helper<Answer> = {
      worker,
      ready: false,
      served: 0,
      job: undefined,
      timer: undefined,
      gone: false,
    };
    if (onOutput !== undefined)
      for (const stream of [worker.stdout, worker.stderr])
        stream.on('data', (data: Buffer) => onOutput(data.toString('utf8')));
    worker.on('message', (message: Answer | typeof READY) => {
      if (message === READY) this.#started(helper);
      else this.#answered(helper, message as Answer);
    });
    worker.on('messageerror', (error) => void this.#lose(helper, crashed(error)));
    worker.on('error', (error) => void this.#lose(helper, crashed(error)));
    worker.on('exit', (code) => void this.#lose(helper, crashed(new Error(`it ended with code ${code}`))));
    worker.unref();
    this.#helpers.add(helper);
    return helper;
  }

  #started(helper: Helper<Answer>): void {
    helper.ready = true;
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#wait();
    const { job } = helper;
    if (job !== undefined && !helper.gone && !job.task.signal?.aborted) this.#limit(helper, job);
  }

  #answered(helper: Helper<Answer>, answer: Answer): void {
    const { job } = helper;
    if (job === undefined || helper.gone) return;
    clearTimeout(helper.timer);
    helper.job = undefined;
    helper.served += 1;
    helper.worker.unref();
    const { signal } = job.task;
    this.#settle(job, () => (signal?.aborted ? job.reject(abortError(signal)) : job.resolve(answer)));
    this.#next();
  }

  /** The thread is gone, or will be. */
  async #lose(helper: Helper<Answer>, error: WorkerLost): Promise<void> {
    if (helper.gone) return;
    helper.gone = true;
    if (error !== CLOSED) this.#lost += 1;
    clearTimeout(helper.timer);
    await helper.worker.terminate();
    this.#helpers.delete(helper);
    if (this.#helpers.size === 0) this.#stopLooking();
    const { job } = helper;
    if (job !== undefined) {
      const { signal } = job.task;
      if (signal?.aborted) this.#settle(job, () => job.reject(abortError(signal)));
      else if (helper.served === 0 || job.second || error === CLOSED) this.#settle(job, () => job.reject(error));
      else {
        job.second = true;
        this.#begin(this.#start(), job);
      }
    }
    this.#next();
  }

  #abort(job: Job<Answer>): void {
    const at = this.#waiting.indexOf(job);
    if (at >= 0) {
      this.#waiting.splice(at, 1);
      this.#wait();
      this.#settle(job, () => job.reject(abortError(job.task.signal as AbortSignal)));
      return;
    }
    for (const helper of this.#helpers) {
      if (helper.job !== job) continue;
      helper.worker.postMessage(ABORT);
      clearTimeout(helper.timer);
      helper.timer = setTimeout(() => void this.#lose(helper, crashed(undefined)), GRACE_MS);
    }
  }

  #settle(job: Job<Answer>, how: () => void): void {
    job.task.signal?.removeEventListener('abort', job.onAbort);
    how();
  }

  /** V8's own limits do not count the memory of buffers. */
  async #look(): Promise<void> {
    const busy = [...this.#helpers].filter(({ job }) => job?.task.memoryBytes !== undefined);
    if (busy.length === 0) this.#stopLooking();
    for (const helper of busy) {
      // It may have ended by now, and another may have begun.
      const { job } = helper;
      if (job?.task.memoryBytes === undefined) continue;
      // A thread that is just starting or ending has none to tell of.
      const now = await helper.worker.getHeapStatistics().catch(() => undefined);
      const most = job.task.memoryBytes;
      if (now === undefined || helper.job !== job) continue;
      const taken = now.external_memory + now.used_heap_size;
      if (taken > most) {
        const mebibytes = (bytes: number): number => Math.ceil(bytes / 2 ** 20);
        const message = `it took ${mebibytes(taken)} MiB of memory where it may have ${mebibytes(most)}`;
        void this.#lose(helper, new WorkerLost('memory', message));
      }
    }
  }

  #stopLooking(): void {
    clearInterval(this.#looking);
    this.#looking = undefined;
  }
}

const CLOSED = new WorkerLost('crashed', 'it was stopped');

function crashed(cause: unknown): WorkerLost {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const reason = code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'memory' : 'crashed';
  const message = cause instanceof Error ? cause.message : 'its thread ended';
  return new WorkerLost(reason, message, { cause });
}
