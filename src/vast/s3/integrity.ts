import { createHash } from 'node:crypto';
import { EngineError } from '../../errors.ts';
import type { Body } from '../store.ts';
import type { S3Settings } from './options.ts';

/** Digests off the JavaScript thread. */
export interface Digests {
  sha256(pieces: Body): Promise<Buffer>;
  md5(pieces: Body): Promise<Buffer>;
}

/** The bridge's digests, loaded when first needed: a store over TLS never needs the addon. */
export const bridgeDigests: Digests = {
  sha256: async (pieces) => (await import('../../bridge/bridge.ts')).bridge.sha256(pieces),
  md5: async (pieces) => (await import('../../bridge/bridge.ts')).bridge.md5(pieces),
};

/** What protects one body: request headers, and the ETag that the answer must show ('' for any). */
export interface BodyProof {
  readonly headers: Readonly<Record<string, string>>;
  readonly etag: string;
}

/**
 * Made once per body, before the first attempt: when memory changes afterwards, no re-send can
 * succeed. With x-amz-content-sha256 given, the signer does not hash the body again.
 */
export async function proveBody(body: Body, mode: S3Settings['wireIntegrity'], digests: Digests): Promise<BodyProof> {
  switch (mode) {
    case 'sha256':
      return { headers: { 'x-amz-content-sha256': (await digests.sha256(body)).toString('hex') }, etag: '' };
    case 'md5': {
      const md5 = await digests.md5(body);
      return {
        headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', 'content-md5': md5.toString('base64') },
        etag: md5.toString('hex'),
      };
    }
    default:
      return { headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }, etag: '' };
  }
}

/** What a request says of its body. */
export function bodyHeaders({ headers }: BodyProof, size: number): Record<string, string> {
  return { 'content-length': String(size), 'content-type': 'application/octet-stream', ...headers };
}

/** MD5 of a few bytes, on the spot; undefined where the platform forbids it. */
export function md5OfFew(pieces: Body): Buffer | undefined {
  try {
    const hash = createHash('md5');
    for (const piece of pieces) hash.update(piece);
    return hash.digest();
  } catch {
    return undefined;
  }
}

/** An ETag without its quotes, '' when there is none. */
export function plainEtag(etag: string | undefined): string {
  return (etag ?? '').replace(/^(?:W\/)?"(.*)"$/, '$1');
}

/** @throws EngineError VOST_BODY_DAMAGED (`integrity`) when the store got other bytes */
export function checkEtag(proof: BodyProof, etag: string, what: string): void {
  if (proof.etag !== '' && proof.etag !== etag) {
    throw new EngineError('VOST_BODY_DAMAGED', 'integrity', `${what}: the store's ETag is not the MD5 that was sent`, {
      details: { sent: proof.etag, etag },
    });
  }
}
