import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { authenticate } from './auth/authenticate.ts';
import type { Reply } from './call.ts';
import { injectFault, type LateFault } from './fault.ts';
import { httpDate } from './http/dates.ts';
import { RequestBody } from './http/request-body.ts';
import { breakConnection, Reset } from './http/reset.ts';
import { sendError, sendReply } from './http/send.ts';
import { checkChecksumUse, checkHeaders, checkParameters, isHeaderParameter } from './http/supported.ts';
import { parseTarget, type Target } from './http/target.ts';
import { MAX_KEY_BYTES } from './keys.ts';
import { findRoute, type Route } from './operations/routes.ts';
import { S3Error, s3Error } from './s3-error.ts';
import type { S3Settings } from './settings.ts';
import type { BlobStore } from './state/blob-store.ts';

/** Serves one request; never rejects. */
export type S3Handler = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean) => Promise<void>;

/** One request and everything that serves it. */
interface Exchange {
  readonly blobs: BlobStore;
  readonly settings: S3Settings;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  /** Call before reading the body. */
  readonly beginBody: () => void;
}

/** S3 over buckets whose bytes lie in `blobs`. Several listeners may share one handler. */
export function createS3Handler(blobs: BlobStore, settings: S3Settings): S3Handler {
  return async (request, response, expectsContinue) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const requestId = randomBytes(8).toString('hex').toUpperCase();
    response.sendDate = false;
    response.setHeader('Server', settings.server);
    response.setHeader('Date', httpDate(settings.clock()));
    response.setHeader('x-amz-request-id', requestId);
    // Until the client is told to go on, nobody can know whether a body follows: such a connection cannot be used again.
    if (expectsContinue) response.setHeader('Connection', 'close');
    const beginBody = () => {
      if (!expectsContinue) return;
      response.removeHeader('Connection');
      response.writeContinue();
    };
    const exchange = { blobs, settings, request, response, requestId, signal: gone.signal, beginBody };
    try {
      await serve(exchange);
    } catch (error) {
      answerError(exchange, error);
    }
    // What is left of a body that an error cut short is read away, so that the connection can go on.
    if (!request.complete) request.resume();
  };
}

async function serve(exchange: Exchange): Promise<void> {
  const { request, response, blobs, settings, requestId, signal } = exchange;
  const target = parseTarget(request.url ?? '/');
  const query = new Map(target.query);
  const route = findRoute({
    method: request.method ?? '',
    bucket: target.bucket,
    key: target.key,
    parameters: [...query.keys()],
    hasCopySource: request.headers['x-amz-copy-source'] !== undefined,
  });
  const address = request.socket.localAddress ?? '';
  const fault = route && (await injectFault(settings.onRequest, { route, target, query, requestId, address, signal }));
  const reply = await operate(exchange, route, target, query);
  try {
    await sendReply(response, reply, { blobs, truncateAfter: bytesToSend(fault) });
  } finally {
    blobs.release(reply.content ?? []);
  }
}

function bytesToSend(fault: LateFault): number | undefined {
  if (fault === 'lose-answer') throw new Reset();
  return fault?.truncateAfter;
}

async function operate(
  exchange: Exchange,
  route: Route | undefined,
  target: Target,
  query: ReadonlyMap<string, string>,
): Promise<Reply> {
  const { request, settings, signal } = exchange;
  const sent = (name: string) => request.headersDistinct[name]?.join(',');
  const now = settings.clock();
  const { accessKey, payload } = authenticate(
    {
      method: request.method ?? '',
      path: target.path,
      query: target.query,
      header: sent,
      headerNames: Object.keys(request.headersDistinct),
    },
    { secretOf: settings.secretOf, region: settings.region, now },
  );
  if (route === undefined) throw s3Error('NotImplemented', `${request.method} of this resource is not implemented.`);

  const header = (name: string) => sent(name) ?? (isHeaderParameter(name) ? query.get(name) : undefined);
  const headerNames = [...Object.keys(request.headersDistinct), ...[...query.keys()].filter(isHeaderParameter)];
  checkParameters(route, query.keys());
  checkHeaders(route.name, headerNames, header);
  checkChecksumUse(settings.checksumMode, route.name, headerNames, payload);
  if (target.key.length > MAX_KEY_BYTES) throw s3Error('KeyTooLongError');
  const state = settings.spaceOf({ accessKey, address: request.socket.localAddress ?? '' });
  const body = new RequestBody(request, payload, exchange.beginBody);
  const { bucket, key } = target;
  return route.run({ bucket, key, query, header, headerNames, body, state, settings, now, signal });
}

function answerError({ request, response, requestId }: Exchange, error: unknown): void {
  if (error instanceof Reset || response.headersSent || response.destroyed) {
    breakConnection(request);
    return;
  }
  sendError(response, toS3Error(error), request.url ?? '', requestId);
}

function toS3Error(error: unknown): S3Error {
  if (error instanceof S3Error) return error;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOSPC' || code === 'EDQUOT') return s3Error('InsufficientCapacity');
  return s3Error('InternalError', `An internal error occurred: ${error}`);
}
