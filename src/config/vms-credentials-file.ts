import type { VmsCredentials } from '../vast/vms/credentials.ts';
import { badSecretFile, readSecretFile, readSecretValues } from './secret-file.ts';

const PEM_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----/;
/** The form of a password that stands for a client certificate. */
const CERTIFICATE_PASSWORD = /^cert:(\/.*)$/;

/** What a credentials file for VMS says. */
export interface VmsLogin {
  readonly credentials: VmsCredentials;
  /** The name that goes with a token; needed to rotate it. */
  readonly user: string | undefined;
  /** The token's number at the cluster, once we have rotated it. */
  readonly tokenId: string | undefined;
}

/**
 * Read a credentials file for VMS: `user` and `password`, or `token` (with `user` it is rotated), or `certificate` (a PEM file with
 * the certificate and its private key). Read anew at every call.
 * @throws EngineError VOST_CREDENTIALS (`credentials`)
 */
export async function readVmsLogin(path: string): Promise<VmsLogin> {
  const values = await readSecretValues(path);
  const [user, password, token] = ['user', 'password', 'token'].map((key) => values.get(key) || undefined);
  const certificate = values.get('certificate');
  const rest = { user, tokenId: values.get('token_id') };
  if (certificate) return { ...rest, credentials: await readCertificate(certificate) };
  if (token !== undefined) return { ...rest, credentials: { kind: 'token', token } };
  if (user === undefined || password === undefined) {
    throw badSecretFile(path, 'must set user and password, or token, or certificate');
  }
  return { ...rest, credentials: await fromUserAndPassword(user, password) };
}

/**
 * What a user and password mean, from a file or from NetBackup: `cert:/path/to/cert.pem` as the password is a client certificate.
 * @throws EngineError VOST_CREDENTIALS (`credentials`)
 */
export async function fromUserAndPassword(user: string, password: string): Promise<VmsCredentials> {
  const path = CERTIFICATE_PASSWORD.exec(password)?.[1];
  return path === undefined ? { kind: 'password', user, password } : readCertificate(path);
}

async function readCertificate(path: string): Promise<VmsCredentials> {
  const pem = await readSecretFile(path);
  if (!PEM_KEY.test(pem) || !PEM_CERTIFICATE.test(pem)) {
    throw badSecretFile(path, 'must hold a certificate and its private key, both PEM');
  }
  return { kind: 'certificate', certificate: pem, key: pem };
}
