import type { S3ClientConfig } from '@aws-sdk/client-s3';
import type { RetrierOptions } from '../retry.ts';
import { TransferMeter } from '../transfer-meter.ts';
import type { VipSource } from '../vip-pool/vip-source.ts';
import type { Digests } from './integrity.ts';

/**
 * How bodies are protected on their way:
 * - `none`: not at all by us (UNSIGNED-PAYLOAD); TLS does it.
 * - `sha256`: the digest is part of the signature (x-amz-content-sha256), the server checks it.
 * - `md5`: Content-MD5, which the server checks, and the returned ETag, which we check.
 * - `auto`: `none` over https, `sha256` over http.
 */
export type WireIntegrity = 'auto' | 'sha256' | 'md5' | 'none';

export type S3Credentials = NonNullable<S3ClientConfig['credentials']>;

export interface S3ConnectionOptions {
  /** Part of the signature. Default us-east-1, as VAST's own clients use. */
  readonly region?: string;
  /** Default: what AWS tools use (environment, shared files, …). */
  readonly credentials?: S3Credentials;
  /** PEM file with the authorities to trust instead of the system's. */
  readonly caFile?: string;
  /** Where the data VIPs are. Default: the endpoint itself is the only one. */
  readonly vips?: VipSource;
  /** Most connections to one VIP at the same time. Default 64. */
  readonly connections?: number;
  /** Default 5000. */
  readonly connectTimeoutMs?: number;
  /**
   * An attempt ends when no byte moved for so long. Default 30,000. Requests that make the server
   * work without a byte on the wire (complete, copy, bulk delete) get ten times as long.
   */
  readonly idleTimeoutMs?: number;
  readonly wireIntegrity?: WireIntegrity;
  /** Default: the native threads of the bridge. */
  readonly digests?: Digests;
  /** Largest object of the store, bytes. Default 10^12 (VAST's documented 1 TB). */
  readonly maxObjectBytes?: number;
  /** Most parts of an upload. Default 10,000; some stores allow only 1,000. */
  readonly maxParts?: number;
  /** Entries asked for on one page of a listing. Default 1,000. */
  readonly pageSize?: number;
  /** putStream sends parts of this size, bytes. Default 8 MiB. */
  readonly streamPartBytes?: number;
  /** Objects above this are copied in parts of this size, bytes. Default 1 GiB. */
  readonly copyPartBytes?: number;
}

export interface S3Options extends S3ConnectionOptions, Omit<RetrierOptions, 'refresh'> {}

/** {@link S3ConnectionOptions} with everything filled in that has a plain default. */
export interface S3Settings {
  readonly endpoint: URL;
  readonly region: string;
  readonly connections: number;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly wireIntegrity: Exclude<WireIntegrity, 'auto'>;
  readonly maxObjectBytes: number;
  readonly maxParts: number;
  readonly pageSize: number;
  readonly streamPartBytes: number;
  readonly copyPartBytes: number;
  /** Where the time of requests with payload goes. */
  readonly transfers: TransferMeter;
}

const MIB = 2 ** 20;

export function settingsOf(endpoint: URL, options: S3ConnectionOptions): S3Settings {
  const { wireIntegrity = 'auto' } = options;
  const automatic = endpoint.protocol === 'https:' ? 'none' : 'sha256';
  return {
    endpoint,
    region: options.region ?? 'us-east-1',
    connections: options.connections ?? 64,
    connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 30_000,
    wireIntegrity: wireIntegrity === 'auto' ? automatic : wireIntegrity,
    maxObjectBytes: options.maxObjectBytes ?? 10 ** 12,
    maxParts: options.maxParts ?? 10_000,
    pageSize: options.pageSize ?? 1_000,
    streamPartBytes: options.streamPartBytes ?? 8 * MIB,
    copyPartBytes: options.copyPartBytes ?? 1024 * MIB,
    transfers: new TransferMeter(),
  };
}
