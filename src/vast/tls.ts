/** TLS as it is spoken here: never older than this. */
export const MIN_TLS = 'TLSv1.2';

/**
 * What every client asks of a server. Both are Node's defaults, but an environment that turns them off for some other program
 * (`NODE_TLS_REJECT_UNAUTHORIZED`, `NODE_OPTIONS=--tls-min-v1.0`) must not turn them off for ours.
 */
export const VERIFIED = { rejectUnauthorized: true, minVersion: MIN_TLS } as const;

/** Codes of OpenSSL and Node for a certificate that is not to be trusted, or a server without the TLS that is wanted. */
const TRUST_CODES =
  /^(CERT_|ERR_TLS_CERT|ERR_SSL_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|INVALID_(?:CA|PURPOSE)|HOSTNAME_MISMATCH)/;
/** Among them: what came was damaged on its way, or cut off. */
const DAMAGE = /^ERR_SSL_\w*(BAD_RECORD|BAD_DECRYPT|DECRYPT_ERROR|DECRYPTION_FAILED|LENGTH_MISMATCH|UNEXPECTED_)/;
/** And what the server thinks of our certificate. */
const OURS = /^ERR_SSL_(SSLV3_ALERT_(?:BAD_CERT|CERT)|TLSV13_ALERT_CERT)/;

/** True for the code of a handshake that could not succeed whoever tried. No request was sent. */
export function isTrustFailure(code: string): boolean {
  return TRUST_CODES.test(code) && !OURS.test(code) && !isTlsDamage(code);
}

/** True for the code of a connection whose bytes were changed or cut off on their way: another one may do. */
export function isTlsDamage(code: string): boolean {
  return DAMAGE.test(code);
}
