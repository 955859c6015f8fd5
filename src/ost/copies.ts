import { setTimeout as delay } from 'node:timers/promises';
import { EngineError } from '../errors.ts';
import { imageIdOf } from '../image/identity.ts';
import { ensureLocked } from '../image/image-lock.ts';
import { ImageSpan } from '../image/image-span.ts';
import { engineError, limitReached, notFound } from './errors.ts';
import type { ImageResult } from './image-tally.ts';
import { findManifest } from './images/find-image.ts';
import { leaseOf } from './images/open-writer.ts';
import type { Session } from './session.ts';
import type { StorageServer } from './storage-server.ts';
import { COPY_EVENT, COPY_STATE, EVENT_TYPE, MAX_OPERATIONS } from './wire/constants.ts';
import type { WireCopyStart, WireCopyStatus } from './wire/groups.ts';
import { identityOfWire } from './wire-identity.ts';

interface Operation {
  readonly stop: AbortController;
  readonly outcome: Promise<EngineError | undefined>;
  ended: boolean;
  error: EngineError | undefined;
  done: number;
  total: number;
}

/** The copies that a session has begun and not released. */
export class CopyOperations {
  readonly #session: Session;
  readonly #operations = new Map<bigint, Operation>();
  /** Released while they ran: still to be waited for. */
  readonly #running = new Set<Promise<unknown>>();

  constructor(session: Session) {
    this.#session = session;
  }

  /** Begin a copy; the same number again changes nothing. Throws `busy` when either image is in use in a way that forbids it. */
  async start(question: WireCopyStart, resend: boolean): Promise<void> {
    const { operation: number } = question;
    if (this.#operations.has(number)) return;
    if (this.#operations.size >= MAX_OPERATIONS) {
      throw limitReached(`this process keeps ${MAX_OPERATIONS} copy operations`);
    }
    const { services } = this.#session;
    const [fromServer, toServer] = [
      this.#session.server(question.from_server),
      this.#session.server(question.to_server),
    ];
    const [from, to] = [identityOfWire(question.from), identityOfWire(question.to)];
    const places = [
      fromServer.placeOf(question.from_lsu, imageIdOf(from)),
      toServer.placeOf(question.to_lsu, imageIdOf(to)),
    ] as const;
    const endSource = services.usage.begin(places[0], 'copy-from', this.#session.signal);
    let endTarget: () => void;
    try {
      endTarget = services.usage.begin(places[1], 'copy-to', this.#session.signal);
    } catch (error) {
      endSource();
      throw error;
    }
    const stop = new AbortController();
    const began = Date.now();
    const { peer } = this.#session;
    const subject = { server: toServer.id, lsu: question.to_lsu, imageId: imageIdOf(to), name: to.basename };
    const span = new ImageSpan('copy', { ...subject, job: this.#session.jobOf(question.to_server), hostPid: peer.pid });
    const operation: Operation = {
      stop,
      ended: false,
      error: undefined,
      done: 0,
      total: 0,
      outcome: services.copying
        .of(`${fromServer.storageOf(question.from_lsu).name} ${toServer.storageOf(question.to_lsu).name}`)
        .run(
          () => span.run(() => this.#copy(question, resend, fromServer, toServer, operationProgress, stop.signal)),
          stop.signal,
        )
        .then(
          () => undefined,
          (error: unknown) => engineError(error),
        )
        .then((error) => {
          operation.ended = true;
          services.counters.images.end('copy', resultOfCopy(error));
          span.end({ result: resultOfCopy(error), bytes: operation.done, error });
          services.ended.add({
            operation: 'copy',
            result: resultOfCopy(error),
            server: toServer.id,
            lsu: question.to_lsu,
            imageId: imageIdOf(to),
            name: to.basename,
            began,
            ended: Date.now(),
            bytes: operation.done,
            stored: operation.done,
            stages: [],
            error,
          });
          operation.error = error;
          endSource();
          endTarget();
          return error;
        }),
    };
    function operationProgress(done: number, total: number): void {
      operation.done = done;
      operation.total = total;
    }
    this.#operations.set(number, operation);
    this.#running.add(operation.outcome);
    void operation.outcome.then(() => this.#running.delete(operation.outcome));
  }

  /** How it stands: at once when it has ended, else after `timeoutMs`. Throws the copy's error. */
  async wait(number: bigint, timeoutMs: number): Promise<WireCopyStatus> {
    const operation = this.#find(number);
    if (!operation.ended && timeoutMs > 0) {
      const timer = new AbortController();
      const signal = AbortSignal.any([timer.signal, this.#session.signal]);
      await Promise.race([operation.outcome, delay(timeoutMs, undefined, { signal }).catch(() => undefined)]);
      timer.abort();
    }
    if (operation.error !== undefined) throw operation.error;
    return {
      state: operation.ended ? COPY_STATE.DONE : COPY_STATE.RUNNING,
      done: BigInt(operation.done),
      total: BigInt(operation.total),
    };
  }

  cancel(number: bigint): void {
    this.#find(number).stop.abort(new EngineError('VOST_COPY_CANCELLED', 'aborted', 'the copy was cancelled'));
  }

  /** Forget an operation; one that still runs is cancelled. */
  release(number: bigint): void {
    this.#operations
      .get(number)
      ?.stop.abort(new EngineError('VOST_COPY_CANCELLED', 'aborted', 'the copy was released'));
    this.#operations.delete(number);
  }

  /** Cancel all; resolves when none runs. */
  async end(): Promise<void> {
    for (const number of [...this.#operations.keys()]) this.release(number);
    await Promise.all(this.#running);
  }

  async #leased<T>(server: StorageServer, lsu: string, work: () => Promise<T>): Promise<T> {
    const endLease = leaseOf(this.#session, server, lsu);
    try {
      return await work();
    } finally {
      endLease();
    }
  }

  #find(number: bigint): Operation {
    const operation = this.#operations.get(number);
    if (operation === undefined) throw notFound(`there is no copy operation ${number}`);
    return operation;
  }

  async #copy(
    question: WireCopyStart,
    resend: boolean,
    fromServer: StorageServer,
    toServer: StorageServer,
    onProgress: (done: number, total: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { services, log } = this.#session;
    const [from, to] = [await fromServer.open(question.from_lsu), await toServer.open(question.to_lsu)];
    const source = identityOfWire(question.from);
    const identity = identityOfWire(question.to);
    // Recorded with the copy, so that one asked for again after a reconnect is known to be there, or goes on.
    const creator = this.#session.creatorOf(`copy-${question.operation}`);
    const made = resend ? await findManifest(to, identity, signal) : undefined;
    const origin = {
      store: from,
      place: { server: fromServer, lsu: question.from_lsu },
      imageId: imageIdOf(source),
    };
    const target = { store: to, place: { server: toServer, lsu: question.to_lsu }, identity };
    const lock = await toServer.lockPolicy(question.to_lsu);
    const options = {
      sameStorage: sameStorage([fromServer, question.from_lsu], [toServer, question.to_lsu]),
      creator,
      lock,
      signal,
      onProgress,
    };
    const { resources } = services.memory.of(toServer.storageOf(question.to_lsu));
    const manifest =
      made?.creator === creator
        ? made
        : await this.#leased(toServer, question.to_lsu, () =>
            services.backend.copy(origin, target, resources, options),
          );
    if (manifest === made) await ensureLocked(to, imageIdOf(identity), made, signal);
    const stored = manifest.fragments.reduce((sum, { size }) => sum + size, 0);
    onProgress(stored, stored);
    services.counters.copies += 1;
    log.info({ from: question.from_lsu, to: question.to_lsu, image: imageIdOf(identity), stored }, 'image copied');
    if ((question.flags & COPY_EVENT) !== 0) {
      const payload = JSON.stringify({
        image_id: imageIdOf(identity),
        size: manifest.size,
        stored,
        checksum: manifest.checksum,
      });
      await toServer.events.append({ type: EVENT_TYPE.IMAGE_COPIED, lsu: question.to_lsu, image: identity, payload });
    }
  }
}

function resultOfCopy(error: EngineError | undefined): ImageResult {
  if (error === undefined) return 'complete';
  return error.failure === 'aborted' ? 'abandoned' : 'failed';
}

/** Whether the storage may be asked to copy by itself: one endpoint, reached with the same keys. */
function sameStorage([a, from]: readonly [StorageServer, string], [b, to]: readonly [StorageServer, string]): boolean {
  const sameName = a.storageOf(from).name === b.storageOf(to).name;
  return sameName && a.settings.s3_credentials_file === b.settings.s3_credentials_file;
}
