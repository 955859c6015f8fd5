import { s3Error } from '../s3-error.ts';
import { ALGORITHM, type Scope } from './signature.ts';

/** What a request says about its own signature, before anything is believed. */
export interface Claim {
  readonly accessKey: string;
  readonly scope: Scope;
  /** YYYYMMDDTHHMMSSZ */
  readonly amzDate: string;
  /** The same in milliseconds since the epoch. */
  readonly signedAt: number;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** Seconds of validity of a presigned URL; undefined for the header form. */
  readonly expires: number | undefined;
}

const CREDENTIAL = /^([^/\s]{1,128})\/([0-9]{8})\/([^/\s]*)\/s3\/aws4_request$/;
const HEADER = /^AWS4-HMAC-SHA256\s+Credential=([^,\s]+)\s*,\s*SignedHeaders=([^,\s]+)\s*,\s*Signature=([0-9a-f]{64})$/;
/** A week, the longest that AWS allows. */
const MAX_EXPIRES_SECONDS = 604_800;

/** The claim in the Authorization header; `date` is asked for once the header itself is sound. */
export function headerClaim(authorization: string, date: () => string | undefined): Claim {
  if (!authorization.startsWith(ALGORITHM)) {
    throw s3Error('InvalidRequest', `The authorization mechanism is not supported. Please use ${ALGORITHM}.`);
  }
  const [, credential = '', headers = '', signature = ''] = HEADER.exec(authorization) ?? [];
  if (signature === '') throw s3Error('AuthorizationHeaderMalformed');
  const claim = claimOf({ credential, amzDate: date(), headers, signature, expires: undefined });
  if (claim === undefined) throw s3Error('AuthorizationHeaderMalformed');
  return claim;
}

/** The claim in the query of a presigned URL. */
export function queryClaim(query: ReadonlyMap<string, string>): Claim {
  const expires = Number(query.get('X-Amz-Expires'));
  const claim = claimOf({
    credential: query.get('X-Amz-Credential') ?? '',
    amzDate: query.get('X-Amz-Date'),
    headers: query.get('X-Amz-SignedHeaders') ?? '',
    signature: query.get('X-Amz-Signature') ?? '',
    expires,
  });
  const sane = Number.isInteger(expires) && expires >= 1 && expires <= MAX_EXPIRES_SECONDS;
  if (claim === undefined || !sane || query.get('X-Amz-Algorithm') !== ALGORITHM) {
    throw s3Error('AuthorizationQueryParametersError');
  }
  return claim;
}

interface RawClaim {
  readonly credential: string;
  readonly amzDate: string | undefined;
  readonly headers: string;
  readonly signature: string;
  readonly expires: number | undefined;
}

function claimOf(raw: RawClaim): Claim | undefined {
  const [, accessKey, date, region] = CREDENTIAL.exec(raw.credential) ?? [];
  const signedAt = parseAmzDate(raw.amzDate ?? '');
  if (accessKey === undefined || date === undefined || region === undefined) return undefined;
  if (raw.amzDate === undefined || signedAt === undefined || !raw.amzDate.startsWith(date)) return undefined;
  const signedHeaders = raw.headers.split(';');
  if (!signedHeaders.includes('host')) return undefined;
  const { amzDate, signature, expires } = raw;
  return { accessKey, scope: { date, region }, amzDate, signedAt, signedHeaders, signature, expires };
}

function parseAmzDate(text: string): number | undefined {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  const time = Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
  return Number.isNaN(time) ? undefined : time;
}
