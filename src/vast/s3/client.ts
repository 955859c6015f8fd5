import { readFileSync } from 'node:fs';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { EngineError } from '../../errors.ts';
import { hostOf, portOf } from '../endpoint.ts';
import { MIN_TLS } from '../tls.ts';
import { VipPool } from '../vip-pool/vip-pool.ts';
import { fixedVips } from '../vip-pool/vip-source.ts';
import type { S3ConnectionOptions, S3Settings } from './options.ts';
import type { Receipt } from './receipt.ts';
import { SigningHash } from './signing-hash.ts';
import { type Handle, VipConnection } from './vip-connection.ts';

/** An S3 client and the connections it owns. */
export interface S3Connection {
  /** Its requests must say in their options over which VIP they go: {@link HttpOptions}. */
  readonly client: S3Client;
  readonly vips: VipPool<VipConnection>;
  /** Fetch credentials anew, past every cache. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

/** Second argument of the SDK's `send`; the SDK hands it on to the request handler as it is. */
export interface HttpOptions {
  readonly abortSignal?: AbortSignal;
  readonly requestTimeout?: number;
  readonly vip: Pick<VipConnection, 'handle'>;
  /** Takes the body of an answer that is no error; the stream that the SDK returns is empty then. */
  readonly receipt?: Receipt;
}

/** Made once: reading all authorities takes 8 ms, and connections are opened many at a time. */
function trusting(path: string): SecureContext {
  try {
    return createSecureContext({ minVersion: MIN_TLS, ca: [readFileSync(path, 'utf8'), ...rootCertificates] });
  } catch (error) {
    throw new EngineError('VOST_CA_FILE', 'usage', `cannot read the CA file ${path}`, { cause: error });
  }
}

/** The SDK's way to the network: each request names its connections. */
const requestHandler = {
  handle: ((request, options) => {
    const { vip, receipt } = options as HttpOptions;
    return vip.handle(request, options, receipt);
  }) satisfies Handle,
};

function poolOf(settings: S3Settings, options: S3ConnectionOptions): VipPool<VipConnection> {
  const { endpoint, connections: perVip } = settings;
  const defaultPort = portOf(endpoint);
  const trust = options.caFile === undefined ? undefined : trusting(options.caFile);
  return new VipPool({
    source: options.vips ?? fixedVips([{ host: hostOf(endpoint) }]),
    defaultPort,
    perVip,
    connect: ({ name }) => new VipConnection(new URL(`${endpoint.protocol}//${name}`), settings, trust),
    probe: (connection, signal) => connection.probe(signal),
  });
}

function ignore(): void {}

/** Contacts nothing yet. */
export function connectS3(settings: S3Settings, options: S3ConnectionOptions): S3Connection {
  const vips = poolOf(settings, options);
  const config: S3ClientConfig & { readonly ignoreCache: boolean } = {
    endpoint: settings.endpoint.origin,
    region: settings.region,
    forcePathStyle: true,
    requestHandler,
    sha256: SigningHash,
    // Retries are ours alone.
    maxAttempts: 1,
    // No x-amz-checksum-* and no aws-chunked bodies: VAST and older servers refuse them.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    disableS3ExpressSessionAuth: true,
    // Else the SDK writes about stream bodies to the console; errors reach our caller in any case.
    logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    // Handed on to the default credential chain: a refresh reads the shared files again.
    ignoreCache: true,
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
  };
  const client = new S3Client(config);
  return {
    client,
    vips,
    refresh: async () => {
      await client.config.credentials({ forceRefresh: true });
    },
    close: async () => {
      await vips.close();
      client.destroy();
    },
  };
}
