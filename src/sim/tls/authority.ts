import './reflect.ts';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

/** A certificate and its key, PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** Whatever the library's types take a key to be. */
type PrivateKey = Awaited<ReturnType<typeof generateKeys>>['privateKey'];

const CURVE = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const CA_NAME = 'CN=vast-ost simulator authority';
/** Clocks of clients may be a little behind. */
const BACKDATE_MS = 24 * 3_600_000;
const LIFE_MS = 3650 * 24 * 3_600_000;
const CA_CERT = 'ca.pem';
const CA_KEY = 'ca-key.pem';

/**
 * The simulator's own certificate authority. Its certificate and key are in the state folder, so that
 * clients go on trusting it across restarts.
 */
export class Authority {
  /** PEM. */
  readonly cert: string;
  /** Where the certificate is, for clients. */
  readonly certFile: string;
  readonly #issuer: x509.X509Certificate;
  readonly #key: PrivateKey;

  private constructor(dir: string, cert: string, key: PrivateKey) {
    this.cert = cert;
    this.certFile = join(dir, CA_CERT);
    this.#issuer = new x509.X509Certificate(cert);
    this.#key = key;
  }

  /** Read the authority of a folder, or make one. */
  static async open(dir: string): Promise<Authority> {
    try {
      const key = await importKey(readFileSync(join(dir, CA_KEY), 'utf8'));
      return new Authority(dir, readFileSync(join(dir, CA_CERT), 'utf8'), key);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
    const keys = await generateKeys();
    const cert = await x509.X509CertificateGenerator.createSelfSigned({
      ...validity(),
      name: CA_NAME,
      keys,
      signingAlgorithm: CURVE,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    writeFileSync(join(dir, CA_KEY), await exportKey(keys.privateKey), { mode: 0o600 });
    writeFileSync(join(dir, CA_CERT), `${cert.toString('pem')}\n`);
    return new Authority(dir, `${cert.toString('pem')}\n`, keys.privateKey);
  }

  /** A server's certificate for these addresses and DNS names. With a negative life it has expired. */
  async issueServer(names: readonly string[], lifeMs = LIFE_MS): Promise<KeyPair> {
    const alternatives = names.map((name) => ({
      type: isIP(name) === 0 ? ('dns' as const) : ('ip' as const),
      value: name,
    }));
    return this.#issue(
      `CN=vast-ost simulator`,
      [
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(alternatives),
      ],
      lifeMs,
    );
  }

  /** A client's certificate; its common name is the VMS user. */
  async issueClient(user: string): Promise<KeyPair> {
    return this.#issue([{ CN: [user] }], [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])]);
  }

  async #issue(subject: string | x509.JsonName, extensions: x509.Extension[], lifeMs = LIFE_MS): Promise<KeyPair> {
    const keys = await generateKeys();
    const cert = await x509.X509CertificateGenerator.create({
      ...validity(lifeMs),
      subject,
      issuer: this.#issuer.subject,
      publicKey: keys.publicKey,
      signingKey: this.#key,
      signingAlgorithm: CURVE,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(this.#issuer),
        ...extensions,
      ],
    });
    return { cert: `${cert.toString('pem')}\n`, key: await exportKey(keys.privateKey) };
  }
}

function validity(lifeMs = LIFE_MS) {
  const now = Date.now();
  return {
    // The first bit is 0: serial numbers are positive.
    serialNumber: `01${randomBytes(15).toString('hex')}`,
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + lifeMs),
  };
}

async function generateKeys() {
  return crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
}

async function exportKey(key: PrivateKey): Promise<string> {
  return `${x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), x509.PemConverter.PrivateKeyTag)}\n`;
}

async function importKey(pem: string): Promise<PrivateKey> {
  const [der] = x509.PemConverter.decode(pem);
  if (der === undefined) throw new Error('no key in the file of the authority');
  return crypto.subtle.importKey('pkcs8', der, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']);
}
