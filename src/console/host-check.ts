import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

/**
 * Whether a request may have come to us under this Host header. A page of anybody's can give its own name our address; a browser then lets
 * it read our answers. Addresses and `localhost` are nobody's name; any other must be in our certificate.
 *
 * @param cert PEM of the certificate that is served, if any.
 */
export function hostCheck(cert: string | undefined): (host: string | undefined) => boolean {
  const certificate = cert === undefined ? undefined : new X509Certificate(cert);
  return (host) => {
    const name = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?$/.exec(host ?? '')?.[1];
    if (name === undefined) return false;
    if (name === 'localhost' || isIP(name.replace(/^\[|\]$/g, '')) !== 0) return true;
    return certificate?.checkHost(name) !== undefined;
  };
}
