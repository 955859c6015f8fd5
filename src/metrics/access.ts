import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { badSecretFile, readSecretFile, readSecretValues } from '../config/secret-file.ts';
import type { Settings } from '../config/settings.ts';
import { EngineError } from '../errors.ts';

/** Who may scrape, and how. */
export interface MetricsAccess {
  /** PEM. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** Whether an Authorization header is good; undefined when none is wanted. */
  readonly allows: ((authorization: string | undefined) => boolean) | undefined;
}

/** The files that `[metrics]` names, as they were when they were last read and all of them were right. */
export class AccessFiles {
  readonly #metrics: Settings['metrics'];
  readonly #listeners: ((access: MetricsAccess) => void)[] = [];
  #now: MetricsAccess;

  private constructor(metrics: Settings['metrics'], now: MetricsAccess) {
    this.#metrics = metrics;
    this.#now = now;
  }

  /** @throws EngineError VOST_CREDENTIALS (`credentials`), VOST_METRICS_TLS (`usage`) */
  static async open(metrics: Settings['metrics']): Promise<AccessFiles> {
    return new AccessFiles(metrics, await readAccess(metrics));
  }

  get now(): MetricsAccess {
    return this.#now;
  }

  /** Hear of what {@link reload} found. */
  onReload(listener: (access: MetricsAccess) => void): void {
    this.#listeners.push(listener);
  }

  /** Read them again. Throws as {@link open} does; then everything stays as it was. */
  async reload(): Promise<void> {
    this.#now = await readAccess(this.#metrics);
    for (const listener of this.#listeners) listener(this.#now);
  }
}

async function readAccess(metrics: Settings['metrics']): Promise<MetricsAccess> {
  const { tls_cert_file: certFile, tls_key_file: keyFile, password_file: passwordFile } = metrics;
  return {
    tls: certFile === undefined || keyFile === undefined ? undefined : await readTls(certFile, keyFile),
    allows: passwordFile === undefined ? undefined : await readPassword(passwordFile),
  };
}

async function readTls(certFile: string, keyFile: string): Promise<{ readonly cert: string; readonly key: string }> {
  const key = await readSecretFile(keyFile);
  try {
    const cert = await readFile(certFile, 'utf8');
    createSecureContext({ cert, key });
    // Its names are asked for as well.
    new X509Certificate(cert).toString();
    return { cert, key };
  } catch {
    // What OpenSSL says may quote the key file.
    throw new EngineError('VOST_METRICS_TLS', 'usage', `${certFile} and ${keyFile} are no certificate and its key`, {
      advice: 'both must be PEM, and belong together',
    });
  }
}

async function readPassword(path: string): Promise<(authorization: string | undefined) => boolean> {
  const values = await readSecretValues(path);
  const [user, password] = [values.get('user'), values.get('password')];
  if (!user || !password || user.includes(':')) {
    throw badSecretFile(path, 'must set user (without a colon) and password');
  }
  const expected = digestOf(`Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`);
  // Digests are equally long, so that the time of the comparison says nothing.
  return (authorization) => timingSafeEqual(digestOf(authorization ?? ''), expected);
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
