import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import type { Peer } from '../bridge/bridge.ts';
import { EngineError } from '../errors.ts';
import type { Arena } from './arena.ts';
import type { Connection } from './connection.ts';
import { CopyOperations } from './copies.ts';
import { creatorOf, processOfPeer } from './creator.ts';
import { invalid } from './errors.ts';
import { handlers } from './handlers/index.ts';
import { Handles } from './handles.ts';
import type { ImageHost } from './images/open-image.ts';
import { logOf, subjectOf } from './request-log.ts';
import { resultOf, wireErrorOf } from './results.ts';
import type { Services } from './services.ts';
import { SlotTable } from './slot-table.ts';
import type { StorageServer } from './storage-server.ts';
import { wireFault } from './wire/bytes.ts';
import { MAX_OUTSTANDING } from './wire/constants.ts';
import type { Frame } from './wire/frame.ts';
import type { Answer, Notice, NoticeName, Question, RequestName } from './wire/messages.ts';

/** Frames that wait while a server is looked for; a host has far fewer under way. */
const MAX_HELD = 4096;
/** Storage servers that a host may have open. */
const MAX_SERVERS = 1024;

export interface SessionOptions {
  /** 32 hexadecimal digits. */
  readonly key: string;
  readonly peer: Peer;
  readonly connection: Connection;
  readonly arena: Arena;
  readonly services: Services;
  readonly log: Logger;
}

/**
 * One host process on one connection. Its end ends everything: {@link ended} resolves when nothing of it touches the
 * shared memory any more, which is then unmapped (rule zero of docs/engine-protocol.md).
 */
export class Session {
  readonly key: string;
  readonly peer: Peer;
  /** The host process, as creators name it. */
  readonly process: string;
  /** The creator of an image that this session writes under a handle. */
  readonly creatorOf: (handle: bigint | string) => string;
  readonly services: Services;
  readonly arena: Arena;
  readonly log: Logger;
  readonly handles: Handles;
  readonly copies: CopyOperations;
  readonly slots: SlotTable;
  /** What open images use of this session. */
  readonly imageHost: ImageHost;
  readonly ended: Promise<void>;
  readonly #connection: Connection;
  readonly #journals = new Set<number>();
  readonly #servers = new Map<bigint, { readonly server: StorageServer; readonly job: string }>();
  readonly #outstanding = new Set<number>();
  /** What has come since a server began to be looked for; undefined while none is. */
  #held: Frame[] | undefined;
  readonly #end = new AbortController();
  #onEnded: () => void = () => undefined;

  constructor(options: SessionOptions) {
    const { key, peer, connection, arena, services, log } = options;
    // Every open image listens.
    setMaxListeners(0, this.#end.signal);
    this.key = key;
    this.peer = peer;
    this.process = processOfPeer(peer, services.machine);
    this.creatorOf = creatorOf(key, this.process);
    this.services = services;
    this.arena = arena;
    this.log = log;
    this.#connection = connection;
    this.slots = new SlotTable(arena.layout.slotCount);
    this.handles = new Handles(services.settings.engine.max_handles);
    this.copies = new CopyOperations(this);
    this.ended = new Promise((resolve) => {
      this.#onEnded = resolve;
    });
    this.imageHost = {
      arena,
      slots: this.slots,
      signal: this.#end.signal,
      sendFree: (value) => this.#notify('SLOT_FREE', value),
      sendError: (value) => {
        logOf(this, value).error({ cause: value.cause }, 'image failed');
        this.#notify('IMAGE_ERROR', value);
      },
    };
  }

  /** Fires when the session ends. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  /** Begin to listen to the host. */
  start(): void {
    this.#connection.read(
      (frame) => this.#onFrame(frame),
      (fault) => void this.#finish(fault),
    );
  }

  /** End the session; the same as if the socket had broken. */
  async close(): Promise<void> {
    this.#connection.close();
    await this.ended;
  }

  /** The server that the host opened under a number. */
  server(number: bigint): StorageServer {
    const open = this.#servers.get(number);
    if (open === undefined) throw invalid(`there is no open server ${number}`);
    return open.server;
  }

  /** The host's number of the job for which it opened a server; undefined when it told none. */
  jobOf(number: bigint): string | undefined {
    return this.#servers.get(number)?.job || undefined;
  }

  /** @param job the host's number of its job, '' when it told none. */
  openServer(number: bigint, server: StorageServer, job: string): void {
    if (number === 0n) throw invalid('0 is no number for a server');
    if (this.#servers.size >= MAX_SERVERS) throw invalid('too many open servers');
    this.#servers.set(number, { server, job });
  }

  /**
   * What the host sends from now on waits until `work` is settled: it sends its next requests without waiting for the answer to the
   * one that opens their server.
   */
  hold<T>(work: Promise<T>): Promise<T> {
    this.#held ??= [];
    return work.finally(() => this.#letGo());
  }

  closeServer(number: bigint): void {
    this.#servers.delete(number);
  }

  /** A journal region for one handle, as long as it is open. Throws class `usage` for one that is not there or in use. */
  takeJournal(region: number): { readonly memory: Uint8Array; readonly release: () => void } {
    if (region >= this.arena.layout.journalCount) throw invalid(`there is no journal region ${region}`);
    if (this.#journals.has(region)) throw invalid(`journal region ${region} is in use`);
    this.#journals.add(region);
    return { memory: this.arena.journal(region), release: () => this.#journals.delete(region) };
  }

  /** A frame that breaks the protocol was found after the fact: the connection ends. */
  fault(error: unknown): void {
    this.services.counters.faults += 1;
    this.log.warn({ err: error }, 'the host broke the protocol');
    this.#connection.close();
  }

  #onFrame(frame: Frame): void {
    if (this.#held !== undefined && !(frame.kind === 'request' && frame.name === 'PING')) {
      if (this.#held.length >= MAX_HELD) throw wireFault('too many messages while a server is looked for');
      this.#held.push(frame);
    } else if (frame.kind === 'notice') {
      this.#onNotice(frame.name, frame.value);
    } else if (frame.kind !== 'request' || frame.name === 'HELLO') {
      throw wireFault('a message that only the engine sends, or a second hello');
    } else {
      if (this.#outstanding.has(frame.id)) throw wireFault('a request id is in use');
      if (this.#outstanding.size >= MAX_OUTSTANDING) throw wireFault('too many requests without an answer');
      this.#outstanding.add(frame.id);
      this.services.counters.requests += 1;
      void this.#onRequest(frame.name, frame.id, frame.value, frame.resend);
    }
  }

  #letGo(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    try {
      // One of them may open the next server that must be looked for; the rest is held again then.
      for (const frame of held) if (!this.signal.aborted) this.#onFrame(frame);
    } catch (error) {
      this.fault(error);
    }
  }

  /** Runs without a pause up to the handler's first wait, so that what concerns one handle begins in order. */
  async #onRequest<N extends Exclude<RequestName, 'HELLO'>>(
    name: N,
    id: number,
    value: unknown,
    resend: boolean,
  ): Promise<void> {
    const log = logOf(this, value);
    try {
      const answer: Answer<N> = await handlers[name](this, value as Question<N>, resend);
      this.#connection.send({ kind: 'answer', name, id, value: answer });
    } catch (error) {
      if (this.signal.aborted) return;
      if (error instanceof EngineError && error.code === 'VOST_WIRE') {
        this.fault(error);
        return;
      }
      const result = resultOf(error);
      this.services.counters.countError(result);
      this.services.problems.add(error, name);
      const level = result === 'INTERNAL' || result === 'INTEGRITY' ? 'error' : 'info';
      log[level]({ err: error, request: name, result, ...subjectOf(value) }, 'request failed');
      this.#connection.send({ kind: 'error', name, id, value: wireErrorOf(error) });
    } finally {
      this.#outstanding.delete(id);
    }
  }

  #onNotice(name: NoticeName, value: unknown): void {
    const onFault = (error: unknown): void => this.fault(error);
    if (name === 'SLOT_FULL') {
      const notice = value as Notice<'SLOT_FULL'>;
      this.handles.tell(notice.handle, (image) => image.full(notice), onFault);
    } else if (name === 'SLOT_RETURN') {
      const notice = value as Notice<'SLOT_RETURN'>;
      this.handles.tell(notice.handle, (image) => image.giveBack(notice), onFault);
    } else if (name === 'COPY_RELEASE') {
      this.copies.release((value as Notice<'COPY_RELEASE'>).operation);
    } else {
      throw wireFault('a notice that only the engine sends');
    }
  }

  #notify<N extends NoticeName>(name: N, value: Notice<N>): void {
    this.#connection.send({ kind: 'notice', name, value });
  }

  async #finish(fault: unknown): Promise<void> {
    if (this.signal.aborted) return;
    if (fault !== undefined) {
      this.services.counters.faults += 1;
      this.log.warn({ err: fault }, 'the host broke the protocol');
    }
    const { size } = this.handles;
    this.#end.abort(new EngineError('VOST_SESSION_ENDED', 'aborted', 'the connection to the host ended'));
    const results = await Promise.allSettled([this.handles.dropAll(), this.copies.end()]);
    for (const result of results) {
      if (result.status === 'rejected')
        this.log.error({ err: result.reason }, 'an image could not be let go of in peace');
    }
    this.arena.unmap();
    this.#servers.clear();
    this.services.counters.sessionsEnded += 1;
    this.log.info({ open_images: size }, 'session ended');
    this.#onEnded();
  }
}
