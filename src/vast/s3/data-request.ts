import type { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import { EngineError } from '../../errors.ts';
import { VERSION } from '../../version.ts';
import type { HttpOptions } from './client.ts';
import type { S3Place } from './head.ts';
import type { Handle } from './vip-connection.ts';

type SdkRequest = Parameters<Handle>[0];
type Signer = ReturnType<S3Client['config']['signer']>;

/** A request for an object or a part of one, or with its bytes. */
export interface DataRequest {
  readonly method: 'GET' | 'PUT';
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  /** All that S3 is to know; they are signed. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer | Readable;
  /** Sends a command of the SDK whose errors are those of this request. */
  readonly explain: (http: HttpOptions) => Promise<unknown>;
}

/** An answer that is no error. */
export interface DataAnswer {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Ends with the answer; a receipt has its bytes. */
  readonly body: AsyncIterable<Uint8Array> & {
    once(event: 'error', listener: () => void): unknown;
    destroy(): unknown;
  };
}

const signers = new WeakMap<S3Client, Signer>();

/** The SDK's own: it follows the client's credentials. */
function signerOf(client: S3Client, signingRegion: string): Signer {
  const known = signers.get(client);
  if (known !== undefined) return known;
  const signer = client.config.signer({ name: 'sigv4', signingName: 's3', signingRegion, properties: {} });
  signers.set(client, signer);
  return signer;
}

/**
 * Send a request with data. These are nearly all requests, and the SDK's middleware takes a millisecond of the event loop for each of them: as much as the
 * kernel needs for some megabytes. So only what there is no other way for is the SDK's: the signature, and reading errors.
 */
export async function sendData(
  { sender, lsu }: Pick<S3Place, 'sender' | 'lsu'>,
  client: S3Client,
  http: HttpOptions,
  { method, key, query = {}, headers, body, explain }: DataRequest,
): Promise<DataAnswer> {
  const { endpoint, region } = sender.settings;
  const signer = await signerOf(client, region);
  const path = [lsu, ...key.split('/')].map(encodeURIComponent).join('/');
  const request = {
    method,
    protocol: endpoint.protocol,
    hostname: endpoint.hostname,
    path: `/${path}`,
    query,
    headers: { host: endpoint.host, 'user-agent': `vast-ost/${VERSION}`, ...headers },
    body,
  };
  const signingDate = new Date(Date.now() + client.config.systemClockOffset);
  const signed = (await signer.sign(request, { signingDate })) as SdkRequest;
  const { response } = await http.vip.handle(signed, http, http.receipt);
  if (response.statusCode < 300) return { headers: response.headers, body: response.body };
  // As the answer to a request that never leaves. It also sets the clock of signatures right.
  await explain({ vip: { handle: async () => ({ response }) } });
  throw new EngineError('VOST_S3', 'internal', `HTTP ${response.statusCode} is no error for the SDK`);
}

/** Wait for the end of an answer. */
export async function ended(body: DataAnswer['body']): Promise<void> {
  for await (const _ of body);
}
