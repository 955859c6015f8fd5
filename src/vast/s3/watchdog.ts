/**
 * Connections that give up when no byte moves, and never merely because a request takes long. undici's
 * own timers cannot do that: headersTimeout ends a slow upload that is well under way when its body
 * is one Buffer. The timer of the socket sees both directions, and with plain TCP even how far one
 * large write has come; under TLS its grain is one slice of the body.
 */
import type { Socket } from 'node:net';
import { type buildConnector, Client, type Dispatcher } from 'undici';
import type { Transfer, TransferMeter } from '../transfer-meter.ts';
import { ReadBuffer } from './read-buffer.ts';
import { Receipt } from './receipt.ts';
import { loadWireState, wireStateOf } from './wire-state.ts';

/** Largest answer that is not object data (listings, error documents), bytes. */
const MAX_DOCUMENT_BYTES = 32 * 1024 * 1024;

/**
 * What the kernels of both sides may hold of a body that we see as sent (Linux: 4 MiB to send, 6 MiB
 * to receive), and the slowest peer we wait for. A server that reads slowly answers that much later.
 */
const KERNEL_BYTES = 10 * 1024 * 1024;
const SLOWEST_BYTES_PER_MS = 128;

/** No byte moved for the idle time. Its code is classified like any connection that broke. */
export class IdleError extends Error {
  readonly code = 'ETIMEDOUT';

  constructor(ms: number) {
    super(`no byte moved for ${ms} ms`);
    this.name = 'IdleError';
  }
}

/**
 * The connection had been idle, and broke before a byte of the answer came: most likely the other side had given it up
 * long ago (a timeout of its own, a VIP that moved, a firewall that forgot). Says nothing about the server.
 */
export class StaleError extends Error {
  readonly code = 'ECONNRESET';

  constructor(cause: Error) {
    super(`the idle connection was no longer open: ${cause.message}`, { cause });
    this.name = 'StaleError';
  }
}

/** Nobody gives up a connection that was idle for less than this, milliseconds. */
const STALE_AFTER_MS = 1_000;
const BROKEN_CODES = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'ECONNABORTED']);

function isBroken(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && BROKEN_CODES.has(error.code);
}

/** The answer is larger than anything we asked for. */
export class OversizeError extends Error {
  readonly code = 'UND_ERR_RES_EXCEEDED_MAX_SIZE';

  constructor() {
    super(`the answer exceeds ${MAX_DOCUMENT_BYTES} bytes`);
    this.name = 'OversizeError';
  }
}

/** What is known of a request before it begins. */
interface Watch {
  readonly idleMs: number;
  /** Length of the request's body. */
  readonly bodyBytes: number;
  /** Asks for object data. */
  readonly ranged: boolean;
  /** Object data that the answer is to have. */
  readonly wantedBytes: number;
  readonly transfers?: TransferMeter | undefined;
  /** Takes object data. */
  readonly receipt: Receipt | undefined;
}

/** The bytes that a Range header wants; 0 when it is not of the one form that we send. */
function rangeBytes(range: unknown): number {
  const [, first, last] = /^bytes=([0-9]+)-([0-9]+)$/.exec(String(range)) ?? [];
  return first === undefined || last === undefined ? 0 : Number(last) - Number(first) + 1;
}

/** The socket of a connection, and since when it has been idle; undefined before its first request has ended. */
interface Wire {
  socket: Socket | undefined;
  idleSince: number | undefined;
}

/** Watches one request on one socket and passes everything on. */
class WatchedHandler implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #wire: Wire;
  readonly #watch: Watch;
  #receipt: Receipt | undefined;
  #release: () => void = () => undefined;
  #room = MAX_DOCUMENT_BYTES;
  /** What breaks now was broken before. */
  #stale = false;
  #transfer: Transfer | undefined;
  readonly #onSent = (): void => {
    if (!this.#watch.ranged) this.#transfer?.phase('answering');
  };

  constructor(handler: Dispatcher.DispatchHandler, wire: Wire, watch: Watch) {
    this.#handler = handler;
    this.#wire = wire;
    this.#watch = watch;
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    const { socket, idleSince } = this.#wire;
    this.#stale = idleSince !== undefined && performance.now() - idleSince >= STALE_AFTER_MS;
    const { idleMs, bodyBytes, wantedBytes, transfers } = this.#watch;
    this.#transfer =
      wantedBytes > 0
        ? transfers?.begin('read', wantedBytes)
        : transfers?.begin('write', bodyBytes, () => wireStateOf(socket));
    let graceMs = Math.ceil(Math.min(bodyBytes, KERNEL_BYTES) / SLOWEST_BYTES_PER_MS);
    const onIdle = (): void => {
      if (graceMs > 0 && socket?.writableLength === 0) {
        // The whole body left us; the peer may still be reading it from the kernels' buffers.
        socket.setTimeout(graceMs, onIdle);
        graceMs = 0;
      } else {
        controller.abort(new IdleError(idleMs));
      }
    };
    socket?.setTimeout(idleMs, onIdle);
    this.#release = () => {
      socket?.setTimeout(0, onIdle);
      socket?.removeListener('drain', this.#onSent);
      this.#transfer?.end();
      this.#release = () => undefined;
    };
    this.#handler.onRequestStart?.(controller, context);
  }

  /** The last slice of the body was handed to the socket, which may hold much of it. */
  onRequestSent(): void {
    const { socket } = this.#wire;
    if (this.#watch.ranged || socket === undefined || socket.writableLength === 0) this.#onSent();
    else socket.once('drain', this.#onSent);
    this.#handler.onRequestSent?.();
  }

  onResponseStart(...args: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>): void {
    this.#stale = false;
    if (this.#watch.ranged) this.#transfer?.phase('moving');
    // Object data is bounded by whoever asked for the range.
    if (this.#watch.ranged && args[1] < 300) this.#receipt = this.#watch.receipt;
    this.#handler.onResponseStart?.(...args);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#receipt !== undefined) {
      if (!this.#receipt.add(chunk)) controller.abort(new OversizeError());
      return;
    }
    this.#room -= chunk.byteLength;
    if (this.#room < 0) controller.abort(new OversizeError());
    // The connection's next bytes come into the same memory.
    else this.#handler.onResponseData?.(controller, Buffer.from(chunk));
  }

  onResponseEnd(...args: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseEnd']>>): void {
    this.#release();
    this.#wire.idleSince = performance.now();
    this.#handler.onResponseEnd?.(...args);
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.#release();
    this.#handler.onResponseError?.(controller, this.#stale && isBroken(error) ? new StaleError(error) : error);
  }
}

/** What holds for every request of a connection. */
type ClientWatch = Pick<Watch, 'idleMs'> & Partial<Pick<Watch, 'transfers'>>;

/** Makes what opens sockets with these options. */
export type Connect = (onread: ReadBuffer['onread']) => buildConnector.connector;

/**
 * One connection. A request may state in `headersTimeout` how long it bears silence (the SDK's
 * `requestTimeout` ends up there); else `idleMs` holds.
 */
export class WatchedClient extends Client {
  readonly #limits: ClientWatch;
  readonly #wire: Wire;

  constructor(origin: URL, options: Client.Options, connect: Connect, limits: ClientWatch) {
    const wire: Wire = { socket: undefined, idleSince: undefined };
    const buffer = new ReadBuffer();
    const open = connect(buffer.onread);
    super(origin, {
      ...options,
      connect: (target, callback) =>
        open(target, (...result) => {
          wire.socket = result[1] ?? undefined;
          wire.idleSince = undefined;
          if (wire.socket !== undefined) buffer.attach(wire.socket);
          callback(...result);
        }),
    });
    this.#wire = wire;
    this.#limits = limits;
    if (limits.transfers !== undefined) void loadWireState();
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { headersTimeout: silenceMs, bodyTimeout: _, ...rest } = options;
    const { opaque } = rest as { readonly opaque?: unknown };
    const headers = (rest.headers ?? {}) as Record<string, unknown>;
    const ranged = rest.method === 'GET' && 'range' in headers;
    const watched = new WatchedHandler(handler, this.#wire, {
      ...this.#limits,
      idleMs: silenceMs ?? this.#limits.idleMs,
      bodyBytes: Number(headers['content-length'] ?? 0),
      ranged,
      wantedBytes: ranged ? rangeBytes(headers['range']) : 0,
      receipt: opaque instanceof Receipt ? opaque : undefined,
    });
    return super.dispatch(rest, watched);
  }
}
