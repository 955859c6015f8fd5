/** Shared by the tests of the simulated cluster: one per test, and plain requests to its VMS and admin port. */
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { S3Client } from '@aws-sdk/client-s3';
import type { Test } from 'tap';
import type { ClusterOptions } from '../../src/sim/cluster/options.ts';
import type { Cluster } from '../../src/sim/cluster.ts';
import { startCluster } from '../../src/sim/cluster.ts';

export const ADMIN = { username: 'admin', password: 'pass:word' } as const;
export const TENANT_ADMIN = { username: 'keeper', password: 'other', tenant: 'acme' } as const;

/** Headers of Basic authentication. */
export function basic({ username, password }: { username: string; password: string }): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
}

/** A cluster in its own directory, closed when the test ends. Plain HTTP unless a test is about TLS. */
export async function cluster(t: Test, options: Partial<ClusterOptions> = {}): Promise<Cluster> {
  const started = await startCluster({
    plain: true,
    managers: [ADMIN, TENANT_ADMIN],
    minPartBytes: 1024,
    ...options,
    dir: options.dir ?? t.testdir({}),
  });
  t.teardown(() => started.close());
  return started;
}

export interface ApiReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
  readonly text: string;
}

export interface ApiOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** `/api/v5` unless the test says otherwise. */
  readonly base?: string;
  /** Certificate and key of a client. */
  readonly certificate?: { readonly cert: string; readonly key: string };
}

/** One request to VMS, as the administrator unless `headers` say otherwise. */
export function api(
  to: Cluster,
  method: string,
  path: string,
  body?: unknown,
  options: ApiOptions = {},
): Promise<ApiReply> {
  return ask(to.vmsUrl + (options.base ?? '/api/v5') + path, method, body, {
    ...options,
    ca: to.ca?.cert,
    headers: options.headers ?? basic(ADMIN),
  });
}

/** One request to the admin port. */
export function admin(to: Cluster, method: string, path: string, body?: unknown): Promise<ApiReply> {
  return ask(to.adminUrl + path, method, body, { headers: {} });
}

interface AskOptions extends ApiOptions {
  readonly ca?: string | undefined;
}

function ask(
  url: string,
  method: string,
  body: unknown,
  { headers = {}, ca, certificate }: AskOptions,
): Promise<ApiReply> {
  const payload = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
  const length: Record<string, string> =
    body === undefined ? {} : { 'content-length': String(Buffer.byteLength(payload)) };
  return new Promise((resolve, reject) => {
    const options = { method, agent: false, headers: { ...headers, ...length } };
    const sending = url.startsWith('https:')
      ? httpsRequest(url, { ...options, ca, ...certificate })
      : httpRequest(url, options);
    sending.on('error', reject);
    sending.on('response', (response) => {
      text(response).then((received) => {
        const { statusCode: status = 0 } = response;
        resolve({ status, headers: response.headers, body: parsed(received), text: received });
      }, reject);
    });
    sending.end(payload);
  });
}

function parsed(received: string): unknown {
  try {
    return JSON.parse(received);
  } catch {
    return undefined;
  }
}

/** The body of a reply that must have this status. */
export async function expectStatus(
  t: Test,
  reply: Promise<ApiReply>,
  status: number,
): Promise<Record<string, unknown>> {
  const { status: got, body, text: received } = await reply;
  t.equal(got, status, received.slice(0, 300));
  return body as Record<string, unknown>;
}

/** An SDK client that retries nothing; destroyed when the test ends. */
export function s3(
  t: Test,
  to: Cluster,
  options: { keys?: { access_key: string; secret_key: string }; url?: string } = {},
): S3Client {
  const { accessKey, secretKey } = to.credentials;
  const keys = options.keys ?? { access_key: accessKey, secret_key: secretKey };
  const client = new S3Client({
    endpoint: options.url ?? to.urls[0] ?? '',
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    credentials: { accessKeyId: keys.access_key, secretAccessKey: keys.secret_key },
  });
  t.teardown(() => client.destroy());
  return client;
}

/** A user with a key pair, and an S3 view of theirs. */
export async function provision(t: Test, to: Cluster, bucket: string) {
  const user = await expectStatus(t, api(to, 'POST', '/users/', { name: `u-${bucket}`, local_provider_id: 1 }), 201);
  const keys = await expectStatus(t, api(to, 'POST', `/users/${user['id']}/access_keys/`, { tenant_id: 1 }), 200);
  const view = await expectStatus(
    t,
    api(to, 'POST', '/views/', {
      path: `/nbu/${bucket}`,
      policy_id: 2,
      protocols: ['S3'],
      bucket,
      bucket_owner: `u-${bucket}`,
      create_dir: true,
    }),
    201,
  );
  return { user, view, keys: keys as { access_key: string; secret_key: string } };
}
