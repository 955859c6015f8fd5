import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { EngineError, failureOf } from '../errors.ts';
import { findImage } from '../image/catalog.ts';
import { ImageReader } from '../image/image-reader.ts';
import { verifyImage } from '../image/verify-image.ts';
import { inUse, limitReached, notFound } from '../ost/errors.ts';
import { Limiters } from '../ost/limiter.ts';
import type { Services } from '../ost/services.ts';
import { SERVER_PREFIX } from '../ost/storage-server.ts';
import { problemOf } from './http.ts';
import { timeOf } from './read-images.ts';
import { readAsRestore } from './restore-check.ts';
import type { Action, NewAction } from './schemas.ts';

/** Backups come first: one at a time, and one chunk at a time. */
const MAX_RUNNING = 1;
const READ_AHEAD = 1;
/** Actions that run or wait, and those that are remembered. */
const MAX_OPEN = 16;
const MAX_KEPT = 100;

interface Entry {
  readonly wanted: NewAction;
  readonly by: string;
  readonly began: number;
  readonly stop: AbortController;
  state: Action['state'];
  ended: number | undefined;
  imageId: string | undefined;
  bytes: number;
  size: number | undefined;
  error: unknown;
}

/** Images that people have verified, or read as a restore would. */
export class Actions {
  readonly #services: Services;
  readonly #log: Logger;
  readonly #entries = new Map<string, Entry>();
  readonly #running = new Set<Promise<void>>();
  /** By storage: one that hangs does not keep others waiting. */
  readonly #turns = new Limiters(MAX_RUNNING);

  constructor(services: Services, log: Logger) {
    this.#services = services;
    this.#log = log;
  }

  /**
   * Begin one; it waits for its turn.
   * @param by who wants it, for the log.
   * @throws EngineError `not-found` for a server that there is not, `busy` while the engine stops, VOST_LIMIT (`capacity`)
   */
  start(wanted: NewAction, by: string): Action {
    if (this.#services.drain.draining) throw inUse('the engine stops');
    this.#services.servers.get(`${SERVER_PREFIX}${wanted.server}`);
    if (this.#running.size >= MAX_OPEN) throw limitReached(`${MAX_OPEN} actions run or wait`, 'wait, or cancel one');
    const id = randomBytes(8).toString('hex');
    const entry: Entry = {
      wanted,
      by,
      began: Date.now(),
      stop: new AbortController(),
      state: 'waiting',
      ended: undefined,
      imageId: undefined,
      bytes: 0,
      size: undefined,
      error: undefined,
    };
    this.#entries.set(id, entry);
    this.#forget();
    this.#log.info({ action: id, by, ...wanted }, 'action begins');
    const running = this.#run(id, entry).finally(() => this.#running.delete(running));
    this.#running.add(running);
    return show(id, entry);
  }

  /** Newest first. */
  all(): Action[] {
    return [...this.#entries].reverse().map(([id, entry]) => show(id, entry));
  }

  /** @throws EngineError VOST_NOT_FOUND */
  get(id: string): Action {
    return show(id, this.#find(id));
  }

  /** Stop one; one that has ended stays as it is. */
  cancel(id: string, by: string): Action {
    const entry = this.#find(id);
    if (entry.ended === undefined) this.#log.info({ action: id, by }, 'action is cancelled');
    entry.stop.abort(new EngineError('VOST_CANCELLED', 'aborted', `cancelled by ${by}`));
    return show(id, entry);
  }

  /** Stop all; resolves when none runs. */
  async close(): Promise<void> {
    for (const { stop } of this.#entries.values())
      stop.abort(new EngineError('VOST_CANCELLED', 'aborted', 'the engine stops'));
    await Promise.all(this.#running);
  }

  async #run(id: string, entry: Entry): Promise<void> {
    const { stop, wanted } = entry;
    try {
      const { name } = this.#services.servers.get(`${SERVER_PREFIX}${wanted.server}`).storageOf(wanted.lsu);
      await this.#turns.of(name).run(() => this.#work(entry, stop.signal), stop.signal);
      entry.state = 'ok';
    } catch (error) {
      entry.error = error;
      entry.state = failureOf(error) === 'aborted' ? 'cancelled' : 'failed';
      this.#services.problems.add(error, `${wanted.kind} ${wanted.lsu}/${wanted.image}`);
    }
    entry.ended = Date.now();
    const { state, bytes, error } = entry;
    const level = state === 'failed' ? 'error' : 'info';
    this.#log[level](
      { action: id, ...wanted, state, bytes, ...(error === undefined ? {} : { err: error }) },
      'action ended',
    );
  }

  async #work(entry: Entry, signal: AbortSignal): Promise<void> {
    const { wanted } = entry;
    const { servers, usage, memory } = this.#services;
    entry.state = 'running';
    const server = servers.get(`${SERVER_PREFIX}${wanted.server}`);
    const { resources } = memory.of(server.storageOf(wanted.lsu));
    const store = await server.open(wanted.lsu);
    const { imageId } = await findImage(store, wanted.image, signal);
    entry.imageId = imageId;
    const endUse = usage.begin(server.placeOf(wanted.lsu, imageId), 'read');
    const onProgress = (bytes: number): void => {
      entry.bytes = bytes;
    };
    try {
      const reader = await ImageReader.open(store, resources, imageId, signal);
      entry.size = reader.manifest.size;
      if (wanted.kind === 'verify') await verifyImage(reader, { readAhead: READ_AHEAD, signal, onProgress });
      else await readAsRestore({ store, resources, manifest: reader.manifest, signal, onProgress });
    } finally {
      endUse();
    }
  }

  #find(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw notFound(`there is no action ${id.slice(0, 32)}`);
    return entry;
  }

  #forget(): void {
    for (const [id, { ended }] of this.#entries) {
      if (this.#entries.size <= MAX_KEPT) return;
      if (ended !== undefined) this.#entries.delete(id);
    }
  }
}

function show(id: string, entry: Entry): Action {
  const { wanted, by, state, began, ended, imageId, bytes, size, error } = entry;
  return {
    id,
    ...wanted,
    by,
    state,
    began: timeOf(began),
    ended: ended === undefined ? null : timeOf(ended),
    image_id: imageId ?? null,
    bytes,
    size: size ?? null,
    error: error === undefined ? null : problemOf(error),
  };
}
