/**
 * What an S3 failure means: the one table. Looked at in this order: the error code in the answer,
 * the HTTP status, the code of a socket or TLS error, what the SDK says about itself.
 *
 * Codes: AWS "Error responses"; RadosGW and VAST specials as noted. Statuses 507 and 501 are VAST's.
 */
import { EngineError, type FailureClass } from '../../errors.ts';
import { isTlsDamage, isTrustFailure } from '../tls.ts';

interface Verdict {
  readonly code: string;
  readonly failure: FailureClass;
  readonly advice?: string;
}

const UNAVAILABLE: Verdict = { code: 'VOST_STORE_UNAVAILABLE', failure: 'retryable' };
const NO_DESCRIPTORS: Verdict = {
  code: 'VOST_NO_DESCRIPTORS',
  failure: 'retryable',
  advice: 'Raise the limit of open files (LimitNOFILE of the unit, ulimit -n), or have fewer images open at once.',
};
const CREDENTIALS: Verdict = {
  code: 'VOST_CREDENTIALS',
  failure: 'credentials',
  advice: 'Check the access key and its secret, or renew the session token.',
};
const CLOCK: Verdict = { ...CREDENTIALS, advice: 'Set the clocks of this host and of the storage right.' };
const ACCESS: Verdict = {
  code: 'VOST_ACCESS_DENIED',
  failure: 'access',
  advice: 'Give the S3 user the rights that the operation needs.',
};
const NO_SPACE: Verdict = {
  code: 'VOST_NO_SPACE',
  failure: 'capacity',
  advice: 'Free space, raise the quota, or expire old images.',
};
const TOO_LARGE: Verdict = { code: 'VOST_OBJECT_TOO_LARGE', failure: 'capacity' };
const DAMAGED: Verdict = { code: 'VOST_BODY_DAMAGED', failure: 'integrity' };
const NO_OBJECT: Verdict = { code: 'VOST_NO_SUCH_KEY', failure: 'not-found' };
const NO_LSU: Verdict = { code: 'VOST_NO_SUCH_LSU', failure: 'not-found' };
const NO_UPLOAD: Verdict = { code: 'VOST_NO_SUCH_UPLOAD', failure: 'not-found' };
const LSU_EXISTS: Verdict = { code: 'VOST_LSU_EXISTS', failure: 'exists' };
const BAD_PARTS: Verdict = { code: 'VOST_BAD_PARTS', failure: 'usage' };
const REFUSED: Verdict = { code: 'VOST_REQUEST_REFUSED', failure: 'usage' };
const BUSY: Verdict = { code: 'VOST_BUSY', failure: 'busy' };
const UNSUPPORTED: Verdict = { code: 'VOST_UNSUPPORTED', failure: 'unsupported' };
const TRUST: Verdict = {
  code: 'VOST_TLS_TRUST',
  failure: 'access',
  advice: 'Name the certificate authority of the storage (CA file), or correct its certificate.',
};
const EXPIRED: Verdict = {
  ...TRUST,
  advice: 'Set the clock of this host right, or renew the certificate of the storage.',
};
const CLOSED: Verdict = { code: 'VOST_STORAGE_CLOSED', failure: 'usage' };
const BROKEN: Verdict = { code: 'VOST_S3', failure: 'internal' };

const CODES: Readonly<Record<string, Verdict>> = {
  InternalError: UNAVAILABLE,
  ServiceUnavailable: UNAVAILABLE,
  SlowDown: UNAVAILABLE,
  Busy: UNAVAILABLE,
  Throttling: UNAVAILABLE,
  ThrottlingException: UNAVAILABLE,
  RequestThrottled: UNAVAILABLE,
  RequestLimitExceeded: UNAVAILABLE,
  TooManyRequests: UNAVAILABLE,
  TooManyRequestsException: UNAVAILABLE,
  BandwidthLimitExceeded: UNAVAILABLE,
  RequestTimeout: UNAVAILABLE,
  RequestTimeoutException: UNAVAILABLE,
  TimeoutError: UNAVAILABLE,
  OperationAborted: UNAVAILABLE,
  PriorRequestNotComplete: UNAVAILABLE,
  IncompleteBody: UNAVAILABLE,
  ExpiredToken: CREDENTIALS,
  ExpiredTokenException: CREDENTIALS,
  TokenRefreshRequired: CREDENTIALS,
  InvalidToken: CREDENTIALS,
  RequestExpired: CREDENTIALS,
  InvalidAccessKeyId: CREDENTIALS,
  InvalidClientTokenId: CREDENTIALS,
  SignatureDoesNotMatch: CREDENTIALS,
  CredentialsProviderError: CREDENTIALS,
  TokenProviderError: CREDENTIALS,
  // The SDK takes the clock of the answer for the next request.
  RequestTimeTooSkewed: CLOCK,
  AccessDenied: ACCESS,
  AccountProblem: ACCESS,
  AllAccessDisabled: ACCESS,
  InvalidObjectState: ACCESS,
  NotSignedUp: ACCESS,
  UserSuspended: ACCESS,
  ObjectLocked: ACCESS,
  NoSuchKey: NO_OBJECT,
  NoSuchVersion: NO_OBJECT,
  NotFound: NO_OBJECT,
  NoSuchBucket: NO_LSU,
  NoSuchUpload: NO_UPLOAD,
  BucketAlreadyExists: LSU_EXISTS,
  BucketAlreadyOwnedByYou: LSU_EXISTS,
  QuotaExceeded: NO_SPACE,
  InsufficientCapacity: NO_SPACE,
  InsufficientStorage: NO_SPACE,
  TooManyBuckets: NO_SPACE,
  EntityTooLarge: TOO_LARGE,
  BadDigest: DAMAGED,
  XAmzContentSHA256Mismatch: DAMAGED,
  XAmzContentChecksumMismatch: DAMAGED,
  ContentChecksumMismatch: DAMAGED,
  InvalidPart: BAD_PARTS,
  InvalidPartOrder: BAD_PARTS,
  EntityTooSmall: BAD_PARTS,
  NotImplemented: UNSUPPORTED,
  MethodNotAllowed: UNSUPPORTED,
};

const STATUSES: Readonly<Record<number, Verdict>> = {
  401: CREDENTIALS,
  403: ACCESS,
  404: NO_OBJECT,
  405: UNSUPPORTED,
  408: UNAVAILABLE,
  409: BUSY,
  413: TOO_LARGE,
  423: BUSY,
  425: UNAVAILABLE,
  429: UNAVAILABLE,
  501: UNSUPPORTED,
  507: NO_SPACE,
};

const SOCKET_CODES: Readonly<Record<string, Verdict>> = {
  ECONNRESET: UNAVAILABLE,
  ECONNREFUSED: UNAVAILABLE,
  ECONNABORTED: UNAVAILABLE,
  EPIPE: UNAVAILABLE,
  ETIMEDOUT: UNAVAILABLE,
  EHOSTUNREACH: UNAVAILABLE,
  EHOSTDOWN: UNAVAILABLE,
  ENETUNREACH: UNAVAILABLE,
  ENETDOWN: UNAVAILABLE,
  EADDRNOTAVAIL: UNAVAILABLE,
  EMFILE: NO_DESCRIPTORS,
  ENFILE: NO_DESCRIPTORS,
  ENOTFOUND: UNAVAILABLE,
  EAI_AGAIN: UNAVAILABLE,
  UND_ERR_SOCKET: UNAVAILABLE,
  UND_ERR_CONNECT_TIMEOUT: UNAVAILABLE,
  UND_ERR_HEADERS_TIMEOUT: UNAVAILABLE,
  UND_ERR_BODY_TIMEOUT: UNAVAILABLE,
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: UNAVAILABLE,
  UND_ERR_RES_EXCEEDED_MAX_SIZE: BROKEN,
  UND_ERR_CLOSED: CLOSED,
  UND_ERR_DESTROYED: CLOSED,
  CERT_HAS_EXPIRED: EXPIRED,
  CERT_NOT_YET_VALID: EXPIRED,
};

/** The parts of an SDK, undici or socket error that are looked at. */
interface RawError {
  readonly name?: string;
  readonly message?: string;
  readonly code?: unknown;
  readonly cause?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
}

const MAX_MESSAGE = 300;
/** What the SDK calls an error whose answer names no code. */
const NAMELESS = new Set(['', '400', '403', 'Unknown', 'UnknownError', 'BadRequest', 'Forbidden', 'Error']);

function byStatus(status: number | undefined): Verdict | undefined {
  if (status === undefined || status < 300) return undefined;
  const exact = STATUSES[status];
  if (exact !== undefined) return exact;
  return status >= 500 ? UNAVAILABLE : REFUSED;
}

/** The code of this error or of one it was caused by (fetching layers wrap socket errors). */
function bySocket(error: RawError): Verdict | undefined {
  for (let at: RawError | undefined = error, depth = 0; at !== undefined && depth < 4; depth += 1) {
    if (typeof at.code === 'string') {
      const verdict = SOCKET_CODES[at.code];
      if (verdict !== undefined) return verdict;
      if (isTrustFailure(at.code)) return TRUST;
      if (isTlsDamage(at.code)) return UNAVAILABLE;
      // llhttp: the answer is no HTTP; a broken proxy or half a connection.
      if (at.code.startsWith('HPE_')) return UNAVAILABLE;
    }
    at = typeof at.cause === 'object' && at.cause !== null ? (at.cause as RawError) : undefined;
  }
  return undefined;
}

function verdictOf(error: RawError): Verdict {
  const status = error.$metadata?.httpStatusCode;
  const socket = bySocket(error);
  // The HTTP handler names every socket error RequestTimeout; its own code says more.
  if (socket !== undefined && status === undefined) return socket;
  const code = CODES[error.name ?? ''];
  if (code !== undefined) return code;
  // An answer to HEAD has no body: a bare 400 is how AWS refuses an expired token there.
  if (status === 400 && NAMELESS.has(error.name ?? '')) return CREDENTIALS;
  const verdict = byStatus(status) ?? socket;
  // Success, but the answer could not be understood: cut off or mangled by something between us.
  return verdict ?? (status === undefined ? BROKEN : UNAVAILABLE);
}

/**
 * Any error of a request as an {@link EngineError}. `what` says what was tried. Only name and
 * message of the original go along: the SDK's errors carry request elements such as the string that
 * was signed.
 */
export function s3Error(error: unknown, what: string, details: Readonly<Record<string, unknown>> = {}): EngineError {
  if (error instanceof EngineError) return error;
  const raw: RawError = typeof error === 'object' && error !== null ? error : { message: String(error) };
  const { name = 'Error', message = '' } = raw;
  const verdict = verdictOf(raw);
  const status = raw.$metadata?.httpStatusCode;
  const short = message.slice(0, MAX_MESSAGE);
  const cause = new Error(`${name}: ${short}`);
  return new EngineError(
    verdict.code,
    verdict.failure,
    `${what}: ${name}${status === undefined ? '' : ` (HTTP ${status})`}: ${short}`,
    {
      cause,
      ...(verdict.advice === undefined ? {} : { advice: verdict.advice }),
      details: {
        ...details,
        s3Code: name,
        httpStatus: status,
        requestId: raw.$metadata?.requestId,
        socketCode: typeof raw.code === 'string' ? raw.code : undefined,
      },
    },
  );
}

/** The S3 error code behind an {@link EngineError} made here, '' for others. */
export function s3CodeOf(error: unknown): string {
  const code = error instanceof EngineError ? error.details['s3Code'] : undefined;
  return typeof code === 'string' ? code : '';
}

/** True for a refusal (403) that names no reason, as every answer to HEAD does: it has no body. */
export function isUnexplained(error: unknown): boolean {
  return error instanceof EngineError && error.details['httpStatus'] === 403 && NAMELESS.has(s3CodeOf(error));
}
