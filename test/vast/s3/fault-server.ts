import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import type { RetryEvent } from '../../../src/vast/retry.ts';
import type { S3Options } from '../../../src/vast/s3/options.ts';
import { S3Storage } from '../../../src/vast/s3/storage.ts';
import type { ObjectStore } from '../../../src/vast/store.ts';
import { nodeDigests } from './support.ts';

/** One request as it arrived. */
export interface Seen {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
}

/** Answers the n-th request (from 1); what it does not answer stays unanswered. */
export type Script = (request: IncomingMessage, response: ServerResponse, number: number) => void;

export interface FaultServer {
  readonly url: string;
  readonly seen: Seen[];
}

/** A server that follows a script; HeadBucket always works, versions are not kept, and neither question is counted. */
export async function faultServer(t: Test, script: Script): Promise<FaultServer> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://server');
    if (request.method === 'HEAD' && url.pathname.split('/').filter(Boolean).length === 1) {
      response.writeHead(200).end();
      return;
    }
    if (request.method === 'GET' && url.searchParams.has('versioning')) {
      xml(response, '<VersioningConfiguration/>');
      return;
    }
    request.on('error', () => undefined);
    seen.push({ method: request.method ?? '', url, headers: request.headers });
    script(request, response, seen.length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

export interface FaultStore {
  readonly store: ObjectStore;
  readonly storage: S3Storage;
  readonly retries: RetryEvent[];
}

/** A store on the server whose pauses between attempts take no time. */
export async function faultStore(t: Test, url: string, options: S3Options = {}): Promise<FaultStore> {
  const retries: RetryEvent[] = [];
  const storage = new S3Storage(new URL(url), {
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'topsecretvalue' },
    digests: nodeDigests,
    clock: { now: () => performance.now(), sleep: async () => undefined, random: () => 0.5 },
    onRetry: (event) => retries.push(event),
    ...options,
  });
  t.teardown(() => storage.close());
  return { storage, store: await storage.open('lsu'), retries };
}

/** The whole body of a request. */
export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  return Buffer.concat((await Array.fromAsync(request)) as Buffer[]);
}

/** An S3 error document. */
export function fail(response: ServerResponse, status: number, code: string, extra = ''): void {
  const xml = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>on purpose</Message>${extra}</Error>`;
  response.writeHead(status, { 'content-type': 'application/xml' }).end(xml);
}

export function ok(response: ServerResponse, headers: Record<string, string> = {}, body: string | Buffer = ''): void {
  response.writeHead(200, headers).end(body);
}

/** An answer in XML. */
export function xml(response: ServerResponse, body: string): void {
  ok(response, { 'content-type': 'application/xml' }, `<?xml version="1.0" encoding="UTF-8"?>${body}`);
}
