import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { Agent, buildConnector, request } from 'undici';
import { abortError, EngineError } from '../../errors.ts';
import { VERIFIED } from '../tls.ts';
import { connectionError } from './errors.ts';

/** A cluster has few answers for us and slow ones: a handful of connections is plenty. */
const CONNECTIONS = 4;
const CONNECT_MS = 5_000;
/** Answers of 2–38 s were measured on real clusters; the vendor's own 30 s are too short. */
const HEADERS_MS = 90_000;
const BODY_MS = 60_000;
const KEEP_ALIVE_MS = 60_000;
/** A thousand views are below 4 MiB. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

export type VmsMethod = 'GET' | 'POST' | 'PATCH' | 'DELETE';
export type Query = Readonly<Record<string, string | number | boolean | readonly (string | number)[] | undefined>>;

export interface VmsRequest {
  readonly method: VmsMethod;
  /** Absolute, without the origin: `/api/v5/views/`. */
  readonly path: string;
  /** Lists become repeated keys. */
  readonly query?: Query | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; DELETE may have one too. */
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

export interface VmsReply {
  readonly status: number;
  readonly text: string;
}

/** What a client shows when the server asks for a certificate, PEM. */
export interface ClientIdentity {
  readonly certificate: string;
  readonly key: string;
}

export interface VmsTransportOptions {
  readonly origin: URL;
  /** PEM file with the authorities to trust beside the public ones. */
  readonly caFile?: string | undefined;
  /** Default 5000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Silence before the answer begins, milliseconds. Default 90,000. */
  readonly answerTimeoutMs?: number | undefined;
}

/** HTTP to one VMS: kept connections, few of them, verified TLS, bounded answers. Knows nothing of who we are. */
export class VmsTransport {
  readonly origin: string;
  readonly #agent: Agent;
  readonly #answerMs: number;
  #identity: ClientIdentity | undefined;

  /** @throws EngineError VOST_CA_FILE (`usage`) */
  constructor(options: VmsTransportOptions) {
    const { origin, caFile, connectTimeoutMs = CONNECT_MS, answerTimeoutMs = HEADERS_MS } = options;
    this.origin = origin.origin;
    this.#answerMs = answerTimeoutMs;
    const authorities = caFile === undefined ? undefined : readAuthorities(caFile);
    const connectorOf = (identity: ClientIdentity | undefined): ReturnType<typeof buildConnector> =>
      buildConnector({
        ...VERIFIED,
        allowH2: false,
        timeout: connectTimeoutMs,
        ...(authorities === undefined ? {} : { ca: authorities }),
        ...(identity === undefined ? {} : { cert: identity.certificate, key: identity.key }),
      });
    let shown: ClientIdentity | undefined;
    let connector = connectorOf(undefined);
    this.#agent = new Agent({
      allowH2: false,
      connections: CONNECTIONS,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: answerTimeoutMs,
      bodyTimeout: BODY_MS,
      // Asked for every new connection, so that a rotated certificate is shown by the next one.
      connect: (options, callback) => {
        if (shown !== this.#identity) {
          shown = this.#identity;
          connector = connectorOf(shown);
        }
        connector(options, callback);
      },
    });
  }

  /** The client certificate for connections from now on. */
  show(identity: ClientIdentity | undefined): void {
    this.#identity = identity;
  }

  /**
   * One request, one answer of any status.
   * @throws EngineError of a class that says whether it is worth another try; `aborted`
   */
  async send(call: VmsRequest): Promise<VmsReply> {
    const { method, path, query = {}, headers = {}, body, signal } = call;
    const url = new URL(path, this.origin);
    for (const [key, value] of Object.entries(query)) {
      for (const item of Array.isArray(value) ? value : [value]) {
        if (item !== undefined) url.searchParams.append(key, String(item));
      }
    }
    try {
      const response = await request(url, {
        dispatcher: this.#agent,
        method,
        headers: {
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        // The bound on everything: an answer that trickles keeps no caller for ever.
        signal: AbortSignal.any([AbortSignal.timeout(this.#answerMs + BODY_MS), ...(signal ? [signal] : [])]),
      });
      return { status: response.statusCode, text: await textOf(response.body) };
    } catch (error) {
      if (signal?.aborted) throw abortError(signal);
      throw connectionError(error, `${method} ${path}`);
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

function readAuthorities(path: string): string[] {
  try {
    return [readFileSync(path, 'utf8'), ...rootCertificates];
  } catch (error) {
    throw new EngineError('VOST_CA_FILE', 'usage', `cannot read the CA file ${path}`, { cause: error });
  }
}

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of body) {
    size += piece.byteLength;
    if (size > MAX_ANSWER_BYTES) {
      throw new EngineError('VOST_VMS_ANSWER', 'unsupported', `VMS: an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}
