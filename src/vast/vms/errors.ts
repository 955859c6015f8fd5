/** What a VMS failure means: the one table. Statuses and texts as the vendor's clients know them (vast-csi, manila, cinder, go-vast-client). */
import { EngineError, type FailureClass } from '../../errors.ts';
import { isTrustFailure } from '../tls.ts';

const MAX_TEXT = 300;
/** Nesting of an error body; real ones have two levels. */
const MAX_DEPTH = 5;
const MAX_FLAT = 20;

/** An error answer as it came. */
export interface VmsRefusal {
  readonly status: number;
  readonly text: string;
}

interface Verdict {
  readonly code: string;
  readonly failure: FailureClass;
  readonly advice?: string;
}

const CREDENTIALS: Verdict = {
  code: 'VOST_VMS_CREDENTIALS',
  failure: 'credentials',
  advice: 'check the user and password, or the token, in vms_credentials_file',
};
const ACCESS: Verdict = {
  code: 'VOST_VMS_ACCESS',
  failure: 'access',
  advice: 'give the VMS user the rights that docs/vast.md lists',
};
const UNAVAILABLE: Verdict = { code: 'VOST_VMS_UNAVAILABLE', failure: 'retryable' };
const REFUSED: Verdict = { code: 'VOST_VMS_REFUSED', failure: 'usage' };
const EXISTS: Verdict = { code: 'VOST_VMS_EXISTS', failure: 'exists' };
const FULL: Verdict = { code: 'VOST_VMS_LIMIT', failure: 'capacity', advice: 'remove what is no longer needed there' };
const NOT_VMS: Verdict = {
  code: 'VOST_VMS_REFUSED',
  failure: 'unsupported',
  advice: 'check that vms names the management address of a VAST cluster',
};
const TRUST: Verdict = {
  code: 'VOST_TLS_TRUST',
  failure: 'access',
  advice: 'name the authority of the cluster’s certificate with vms_ca_file, or correct the certificate',
};

const STATUSES: Readonly<Record<number, Verdict>> = {
  401: CREDENTIALS,
  403: CREDENTIALS,
  404: { code: 'VOST_VMS_NOT_FOUND', failure: 'not-found' },
  405: NOT_VMS,
  408: UNAVAILABLE,
  409: { code: 'VOST_VMS_BUSY', failure: 'busy' },
  424: { code: 'VOST_VMS_BUSY', failure: 'busy' },
  425: UNAVAILABLE,
  429: UNAVAILABLE,
  501: NOT_VMS,
  507: FULL,
};

/** Duplicates come as 400 or 409; the words differ. */
const DUPLICATE = /already exist|already in use|already taken|must be unique|duplicate/i;
/** A ceiling comes as 503, as if it were a moment's trouble. */
const CEILING = /maximum number|limit (?:was |has been |is )?reached|too many tokens|exceeds the (?:limit|maximum)/i;
/** A 403 that no new token will change. */
const PERMISSION = /permission/i;

function verdictOf({ status, text }: VmsRefusal): Verdict {
  if ((status === 400 || status === 409) && DUPLICATE.test(text)) return EXISTS;
  if (status === 503 && CEILING.test(text)) return FULL;
  if (status === 403 && PERMISSION.test(text)) return ACCESS;
  const exact = STATUSES[status];
  if (exact !== undefined) return exact;
  if (status >= 500) return UNAVAILABLE;
  return status >= 400 ? REFUSED : NOT_VMS;
}

/** Texts of an error body, whatever its shape: a string, an array, `{detail}`, `{field: [text]}`. */
function flatten(value: unknown, depth = 0): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value === 'number' || typeof value === 'boolean') return [String(value)];
  if (depth >= MAX_DEPTH || typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.slice(0, MAX_FLAT).flatMap((item) => flatten(item, depth + 1));
  return Object.entries(value)
    .slice(0, MAX_FLAT)
    .flatMap(([key, item]) => {
      const texts = flatten(item, depth + 1);
      const plain = key === 'detail' || key === 'message' || key === 'error';
      return plain ? texts : texts.map((text) => `${key}: ${text}`);
    });
}

/** What an error body says, short and printable; '' for pages and anything that is not JSON. */
export function errorText(body: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return '';
  }
  const text = flatten(parsed)
    .join('; ')
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim();
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

/** An answer that is no success. `text` must be clean of secrets. */
export function refusalError(refusal: VmsRefusal, what: string): EngineError {
  const { code, failure, advice } = verdictOf(refusal);
  const said = refusal.text === '' ? '' : `: ${refusal.text}`;
  return new EngineError(code, failure, `VMS ${what}: HTTP ${refusal.status}${said}`, {
    ...(advice === undefined ? {} : { advice }),
    details: { httpStatus: refusal.status },
  });
}

/** A 403 about the token itself, as the vendor's CSI driver knows it. */
const TOKEN_ENDED = /token_not_valid|token (?:is|has) (?:invalid|expired)/i;

/** New credentials were no better: the right is missing, unless the new token has ended as well. */
export function stillForbidden(error: EngineError): EngineError {
  if (error.details['httpStatus'] !== 403 || TOKEN_ENDED.test(error.message)) return error;
  return new EngineError(ACCESS.code, ACCESS.failure, error.message, {
    ...(ACCESS.advice === undefined ? {} : { advice: ACCESS.advice }),
    details: error.details,
  });
}

const CERTIFICATE_REFUSED = /^ERR_SSL_(SSLV3_ALERT_(BAD_CERT|CERT)|TLSV13_ALERT_CERT)/;
/** Nothing was sent when one of these comes. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** A request that got no answer. Only name, code and message of the original go along. */
export function connectionError(error: unknown, what: string): EngineError {
  if (error instanceof EngineError) return error;
  const { name = 'Error', code = '', message = '' } = error as NodeJS.ErrnoException;
  const cause = Object.assign(new Error(`${name}: ${message.slice(0, MAX_TEXT)}`), code === '' ? {} : { code });
  let verdict = UNAVAILABLE;
  if (CERTIFICATE_REFUSED.test(code))
    verdict = { ...CREDENTIALS, advice: 'the cluster refused the client certificate' };
  else if (isTrustFailure(code)) verdict = TRUST;
  return new EngineError(verdict.code, verdict.failure, `VMS ${what}: ${message.slice(0, MAX_TEXT) || name}`, {
    cause,
    ...(verdict.advice === undefined ? {} : { advice: verdict.advice }),
    details: { socketCode: code === '' ? undefined : code },
  });
}

/** True when the cluster may have done what it was asked to although we heard no answer. */
export function mayHaveHappened(error: EngineError): boolean {
  if (error.failure !== 'retryable' && error.failure !== 'integrity') return false;
  const { httpStatus, socketCode } = error.details;
  if (typeof httpStatus === 'number') return [408, 500, 502, 504].includes(httpStatus) || httpStatus < 300;
  return !NOT_SENT.has(String(socketCode));
}

/** Success, but the answer cannot be understood. */
export function badAnswer(
  what: string,
  why: string,
  status: number,
  failure: FailureClass = 'unsupported',
): EngineError {
  return new EngineError('VOST_VMS_ANSWER', failure, `VMS ${what}: ${why}`, {
    advice: 'check that vms names the management address of a VAST cluster of version 5.0 or later',
    details: { httpStatus: status },
  });
}
