import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { UndiciHttpHandler, type UndiciHttpHandlerOptions } from '@smithy/undici-http-handler';
import { buildConnector, Pool } from 'undici';
import { EngineError } from '../../errors.ts';
import type { S3ConnectionOptions, S3Settings } from './options.ts';
import { WatchedClient } from './watchdog.ts';

/** Servers close idle connections after a minute or so; a closed one costs only a new connection. */
const KEEP_ALIVE_MS = 60_000;
const MAX_KEEP_ALIVE_MS = 600_000;

/** An S3 client and the connections it owns. */
export interface S3Connection {
  readonly client: S3Client;
  /** Fetch credentials anew, past every cache. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

function readAuthorities(path: string): string[] {
  try {
    return [readFileSync(path, 'utf8'), ...rootCertificates];
  } catch (error) {
    throw new EngineError('VOST_CA_FILE', 'usage', `cannot read the CA file ${path}`, { cause: error });
  }
}

/**
 * Plain HTTP/1.1 connections, one request at a time on each, with no total time limit: see
 * {@link WatchedClient}. HTTP/2 is off because one broken connection would fail every upload.
 */
function connectPool(settings: S3Settings, caFile: string | undefined): Pool {
  const connect = buildConnector({
    allowH2: false,
    timeout: settings.connectTimeoutMs,
    ...(caFile === undefined ? {} : { ca: readAuthorities(caFile) }),
  });
  return new Pool(settings.endpoint.origin, {
    allowH2: false,
    pipelining: 1,
    connections: settings.connections,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: MAX_KEEP_ALIVE_MS,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect,
    factory: (origin, options) => new WatchedClient(origin, options, connect, settings.idleTimeoutMs),
  });
}

function ignore(): void {}

/** The handler takes a dispatcher of any undici; its types are those of its own older one. */
function asDispatcher(pool: Pool): NonNullable<UndiciHttpHandlerOptions['dispatcher']> {
  return pool as unknown as NonNullable<UndiciHttpHandlerOptions['dispatcher']>;
}

/** Contacts nothing yet. */
export function connectS3(settings: S3Settings, options: S3ConnectionOptions): S3Connection {
  const pool = connectPool(settings, options.caFile);
  const config: S3ClientConfig & { readonly ignoreCache: boolean } = {
    endpoint: settings.endpoint.origin,
    region: settings.region,
    forcePathStyle: settings.forcePathStyle,
    requestHandler: new UndiciHttpHandler({ dispatcher: asDispatcher(pool) }),
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
    refresh: async () => {
      await client.config.credentials({ forceRefresh: true });
    },
    close: async () => {
      await pool.destroy();
      client.destroy();
    },
  };
}
