/** Shared by the simulator's tests: a simulator per test, SDK clients, and requests signed by hand. */
import { createHash, createHmac } from 'node:crypto';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { S3Client, type S3ClientConfig, S3ServiceException } from '@aws-sdk/client-s3';
import type { Test } from 'tap';
import { type S3Sim, type S3SimOptions, startS3Sim } from '../../../src/sim/s3/s3-sim.ts';

export const ACCESS_KEY = 'VASTSIMKEY';
export const SECRET_KEY = 'a/secret+with/odd=characters';

/** A simulator in its own directory, closed when the test ends. */
export async function sim(t: Test, options: Partial<S3SimOptions> = {}): Promise<S3Sim> {
  const started = await startS3Sim({
    accessKey: ACCESS_KEY,
    secretKey: SECRET_KEY,
    checksumMode: 'full',
    minPartBytes: 1024,
    ...options,
    // Asking for the test's directory empties it.
    dir: options.dir ?? t.testdir({}),
  });
  t.teardown(() => started.close());
  return started;
}

/** An SDK client that retries nothing; destroyed when the test ends. */
export function sdk(t: Test, endpoint: S3Sim, config: S3ClientConfig = {}): S3Client {
  const client = new S3Client({
    endpoint: endpoint.url,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
    ...config,
  });
  t.teardown(() => client.destroy());
  return client;
}

/** The settings a client uses that must work with stores that know no checksums. */
export const PLAIN: S3ClientConfig = {
  requestChecksumCalculation: 'WHEN_REQUIRED',
  responseChecksumValidation: 'WHEN_REQUIRED',
};

export interface RawRequest {
  readonly method?: string;
  /** As it goes over the wire. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly payloadHash?: string;
  readonly accessKey?: string;
  readonly secretKey?: string;
  readonly region?: string;
  /** Milliseconds since the epoch. */
  readonly now?: number;
  /** Sent, but not signed. */
  readonly unsigned?: Readonly<Record<string, string>>;
  /** Called on a 100 Continue; the body is sent only then when the request expects one. */
  readonly onContinue?: () => void;
}

export interface RawReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The Code of an error document. */
  readonly code: string | undefined;
}

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();

/** Signature Version 4, written apart from the simulator's own code. Gives headers and what chunk signatures need. */
export function signed(endpoint: S3Sim, request: RawRequest) {
  const date = new Date(request.now ?? Date.now()).toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = `${date.slice(0, 8)}/${request.region ?? 'us-east-1'}/s3/aws4_request`;
  const payloadHash = request.payloadHash ?? sha256(request.body ?? '');
  const headers: Record<string, string> = {
    ...request.headers,
    host: `127.0.0.1:${endpoint.port}`,
    'x-amz-content-sha256': payloadHash,
    'x-amz-date': date,
  };
  const names = Object.keys(headers).sort();
  const [path = '', query = ''] = request.path.split('?');
  const sortedQuery = query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => (pair.includes('=') ? pair : `${pair}=`))
    .sort()
    .join('&');
  const canonical = [
    request.method ?? 'GET',
    path,
    sortedQuery,
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    payloadHash,
  ].join('\n');
  const key = ['us-east-1', 's3', 'aws4_request'].reduce(
    (k, text, i) => hmac(k, i === 0 ? (request.region ?? text) : text),
    hmac(`AWS4${request.secretKey ?? SECRET_KEY}`, date.slice(0, 8)),
  );
  const signature = hmac(key, ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n')).toString('hex');
  const credential = `${request.accessKey ?? ACCESS_KEY}/${scope}`;
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return { headers: { ...headers, ...request.unsigned }, key, date, scope, signature, credential };
}

/** Send a request signed by {@link signed}. */
export function raw(endpoint: S3Sim, request: RawRequest): Promise<RawReply> {
  return send(endpoint, request, signed(endpoint, request).headers);
}

/** Send a request with just these headers. */
export function send(
  endpoint: S3Sim,
  request: RawRequest,
  headers: Readonly<Record<string, string>> = request.headers ?? {},
): Promise<RawReply> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', path, body } = request;
    const length: Record<string, string> =
      body === undefined || 'content-length' in headers || 'transfer-encoding' in headers
        ? {}
        : { 'content-length': String(Buffer.byteLength(body)) };
    const sending = httpRequest({
      host: '127.0.0.1',
      port: endpoint.port,
      method,
      path,
      headers: { ...headers, ...length },
      agent: false,
    });
    sending.on('error', reject);
    sending.on('response', (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(pieces).toString('utf8');
        const code = /<Code>(.*?)<\/Code>/.exec(text)?.[1];
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text, code });
      });
    });
    if ('expect' in headers) {
      sending.on('continue', () => {
        request.onContinue?.();
        sending.end(body);
      });
      sending.flushHeaders();
    } else {
      sending.end(body);
    }
  });
}

/** The code that a promise's S3 error carries, or 'none'. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

/** The HTTP status that a promise's S3 error carries, or 0. */
export async function statusOf(promise: Promise<unknown>): Promise<number> {
  try {
    await promise;
    return 0;
  } catch (error) {
    return (error instanceof S3ServiceException && error.$metadata.httpStatusCode) || 0;
  }
}
