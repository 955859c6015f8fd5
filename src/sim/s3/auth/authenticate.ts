import { s3Error } from '../s3-error.ts';
import type { ChunkSigning } from './chunk-signing.ts';
import { type Claim, headerClaim, queryClaim } from './claim.ts';
import { canonicalRequest, sameDigest, sign, signingKey, stringToSign } from './signature.ts';

/** How the body is protected, as the signature says. */
export type Payload =
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'sha256'; readonly hex: string }
  | { readonly kind: 'aws-chunked'; readonly signing: ChunkSigning | undefined; readonly trailer: boolean };

/** The signed parts of a request. */
export interface SignedRequest {
  readonly method: string;
  /** Decoded, binary string. */
  readonly path: string;
  readonly query: readonly (readonly [string, string])[];
  /** All values of a header joined by commas; undefined when there is none. Lower-case names. */
  readonly header: (name: string) => string | undefined;
  readonly headerNames: readonly string[];
}

export interface Keys {
  readonly secretOf: (accessKey: string) => string | undefined;
  readonly region: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Requests further away from our clock are refused (AWS: 15 minutes). */
const MAX_SKEW_MS = 15 * 60 * 1000;

/** Who signed a request, and how its body is to be checked. */
export interface Authenticated {
  readonly accessKey: string;
  readonly payload: Payload;
}

/** Check who signed a request and when. Throws S3 errors. */
export function authenticate(request: SignedRequest, keys: Keys): Authenticated {
  const query = new Map(request.query);
  const authorization = request.header('authorization');
  const presigned = query.has('X-Amz-Signature') || query.has('X-Amz-Algorithm');
  if (authorization === undefined && !presigned) throw s3Error('AccessDenied');
  if (authorization !== undefined && presigned) {
    throw s3Error('InvalidArgument', 'Only one auth mechanism allowed.');
  }
  const claim =
    authorization === undefined ? queryClaim(query) : headerClaim(authorization, () => signingDate(request));
  const secret = keys.secretOf(claim.accessKey);
  if (secret === undefined) throw s3Error('InvalidAccessKeyId');
  checkTime(claim, keys.now);
  if (keys.region !== undefined && claim.scope.region !== keys.region) throw wrongRegion(presigned, keys.region);
  checkSignedHeaders(request, claim);

  const payloadHash = request.header('x-amz-content-sha256') ?? (presigned ? 'UNSIGNED-PAYLOAD' : undefined);
  if (payloadHash === undefined) {
    throw s3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  }
  const signedQuery = request.query.filter(([name]) => name !== 'X-Amz-Signature');
  const canonical = canonicalRequest({
    ...request,
    query: signedQuery,
    signedHeaders: claim.signedHeaders,
    payloadHash,
  });
  const key = signingKey(secret, claim.scope);
  const signature = sign(key, stringToSign(claim.amzDate, claim.scope, canonical));
  if (!sameDigest(signature, claim.signature)) throw s3Error('SignatureDoesNotMatch');
  const payload = payloadOf(payloadHash, { key, amzDate: claim.amzDate, scope: claim.scope, seed: signature });
  return { accessKey: claim.accessKey, payload };
}

/** `x-amz-date`, else `Date` in the same form. */
function signingDate(request: SignedRequest): string | undefined {
  const amzDate = request.header('x-amz-date');
  if (amzDate !== undefined) return amzDate;
  const date = Date.parse(request.header('date') ?? '');
  if (Number.isNaN(date))
    throw s3Error('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header');
  return new Date(date).toISOString().replace(/[-:]|\.\d{3}/g, '');
}

function checkTime(claim: Claim, now: number): void {
  if (claim.expires === undefined) {
    if (Math.abs(now - claim.signedAt) > MAX_SKEW_MS) throw s3Error('RequestTimeTooSkewed');
    return;
  }
  if (claim.signedAt - now > MAX_SKEW_MS) throw s3Error('AccessDenied', 'Request is not valid yet');
  if (now > claim.signedAt + claim.expires * 1000) throw s3Error('AccessDenied', 'Request has expired');
}

function wrongRegion(presigned: boolean, region: string): Error {
  const code = presigned ? 'AuthorizationQueryParametersError' : 'AuthorizationHeaderMalformed';
  return s3Error(code, `the region of the credential is wrong; expecting '${region}'`);
}

function checkSignedHeaders(request: SignedRequest, claim: Claim): void {
  const unsigned = request.headerNames.filter(
    (name) => name.startsWith('x-amz-') && !claim.signedHeaders.includes(name),
  );
  // A presigned request may repeat the payload hash, which its canonical form contains in any case.
  const loose = unsigned.filter((name) => claim.expires === undefined || name !== 'x-amz-content-sha256');
  if (loose.length > 0) {
    throw s3Error(
      'AccessDenied',
      `There were headers present in the request which were not signed: ${loose.join(', ')}`,
    );
  }
}

function payloadOf(hash: string, signing: ChunkSigning): Payload {
  switch (hash) {
    case 'UNSIGNED-PAYLOAD':
      return { kind: 'unsigned' };
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD':
      return { kind: 'aws-chunked', signing, trailer: false };
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER':
      return { kind: 'aws-chunked', signing, trailer: true };
    case 'STREAMING-UNSIGNED-PAYLOAD-TRAILER':
      return { kind: 'aws-chunked', signing: undefined, trailer: true };
    default:
      if (/^[0-9a-f]{64}$/.test(hash)) return { kind: 'sha256', hex: hash };
      if (hash.startsWith('STREAMING-')) throw s3Error('NotImplemented', `${hash} is not implemented`);
      throw s3Error(
        'InvalidArgument',
        'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-* or a valid sha256 value.',
      );
  }
}
