import type { IncomingMessage, ServerResponse } from 'node:http';
import { EngineError, type FailureClass } from '../errors.ts';
import { engineError } from '../ost/errors.ts';

/** Far more than an action needs. */
const MAX_BODY_BYTES = 16 * 1024;

/** For every answer: nothing but our own files is ever loaded, run, framed or shown to others. */
const SECURITY: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

const STATUS: Readonly<Record<FailureClass, number>> = {
  usage: 400,
  credentials: 401,
  access: 403,
  'not-found': 404,
  exists: 409,
  busy: 409,
  capacity: 429,
  integrity: 500,
  internal: 500,
  aborted: 503,
  retryable: 503,
  unsupported: 501,
};

export function setSecurityHeaders(response: ServerResponse): void {
  for (const [name, value] of Object.entries(SECURITY)) response.setHeader(name, value);
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response
    .writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' })
    .end(JSON.stringify(value));
}

/** What went wrong, as the API tells it. What is not an {@link EngineError} stays in the log. */
export function problemOf(error: unknown): {
  readonly code: string;
  readonly failure: FailureClass;
  readonly message: string;
  readonly advice: string | null;
} {
  const { code, failure, message, advice = null } = error instanceof EngineError ? error : engineError(undefined);
  return { code, failure, message, advice };
}

export function sendError(response: ServerResponse, error: unknown): void {
  const problem = problemOf(error);
  if (problem.failure === 'credentials') response.setHeader('www-authenticate', 'Bearer realm="vast-ost"');
  sendJson(response, STATUS[problem.failure], { error: problem });
}

/**
 * The JSON that a request brings.
 * @throws EngineError VOST_API_BODY (`usage`)
 */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? ''))
    throw badBody('the body must be application/json');
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.byteLength;
    if (bytes > MAX_BODY_BYTES) throw badBody(`the body has more than ${MAX_BODY_BYTES} bytes`);
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString());
  } catch {
    throw badBody('the body is no JSON');
  }
}

function badBody(message: string): EngineError {
  return new EngineError('VOST_API_BODY', 'usage', message);
}
