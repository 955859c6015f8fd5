import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { connect, isIP, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { connect as connectTls, rootCertificates, type TLSSocket } from 'node:tls';
import { type Findings, failure, look, note, ok, type Seen, skipped, warning } from './finding.ts';

const PATIENCE_MS = 5_000;
const DAY_MS = 86_400_000;
/** From here on the remaining life of a certificate is worth a warning. */
const CERTIFICATE_DAYS = 30;
/** S3 services refuse signatures that are a quarter of an hour off. */
const WARN_SKEW_MS = 60_000;
const MOST_SKEW_MS = 900_000;
const JUMBO_BYTES = 9000;

export interface Endpoint {
  /** `http(s)://host:port` */
  readonly url: URL;
  /** PEM file with authorities beside the public ones. */
  readonly caFile?: string | undefined;
}

/** From the name to a trusted connection with a clock that agrees. */
export async function* examineEndpoint(subject: string, endpoint: Endpoint): Findings {
  const { url } = endpoint;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  let addresses: readonly string[] = [];
  yield await look(subject, 'name', async () => {
    if (isIP(host)) addresses = [host];
    else {
      addresses = (await lookup(host, { all: true }).catch(() => [])).map(({ address }) => address);
      if (addresses.length === 0) return failure(`${host} has no address`, 'correct the name, or ask the name servers');
    }
    return ok(isIP(host) ? `${host} is an address` : `${host} is ${addresses.join(', ')}`);
  });
  let reached = false;
  for (const address of new Set(addresses)) {
    const finding = await look(subject, 'connection', () => reach(address, portOf(url)));
    reached ||= finding.verdict === 'ok';
    yield finding;
  }
  if (!reached) return;
  if (url.protocol === 'https:') yield await look(subject, 'certificate', () => certificate(endpoint, host));
  else yield await look(subject, 'certificate', () => note('plain HTTP: whoever is on the way can read the images'));
  yield await look(subject, 'clock', () => clock(endpoint));
}

const portOf = (url: URL): number => Number(url.port || (url.protocol === 'https:' ? 443 : 80));

async function reach(host: string, port: number): Promise<Seen> {
  const begun = performance.now();
  const socket = connect({ host, port });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(PATIENCE_MS) });
    return ok(`${host} port ${port} answers after ${(performance.now() - begun).toFixed(1)} ms${mtuOf(socket)}`);
  } catch (error) {
    const { code, name } = error as NodeJS.ErrnoException;
    const why = name === 'AbortError' || name === 'TimeoutError' ? `no answer in ${PATIENCE_MS / 1000} s` : code;
    return failure(
      `${host} port ${port}: ${why}`,
      'check address, port, routes and firewalls between here and the storage',
    );
  } finally {
    socket.destroy();
  }
}

/** A hint where small frames cost throughput. Loopback has no frames. */
function mtuOf(socket: Socket): string {
  const [name] =
    Object.entries(networkInterfaces()).find(([, all]) =>
      all?.some(({ address, internal }) => address === socket.localAddress && !internal),
    ) ?? [];
  if (name === undefined) return '';
  const file = `/sys/class/net/${name}/mtu`;
  const mtu = existsSync(file) ? Number(readFileSync(file, 'latin1')) : JUMBO_BYTES;
  return mtu < JUMBO_BYTES ? `; ${name} has MTU ${mtu}, 9000 is faster where the whole path allows it` : '';
}

const authorities = (caFile: string | undefined): { ca?: string[] } =>
  caFile === undefined ? {} : { ca: [readFileSync(caFile, 'utf8'), ...rootCertificates] };

async function certificate({ url, caFile }: Endpoint, host: string): Promise<Seen> {
  const socket: TLSSocket = connectTls({
    host,
    port: portOf(url),
    ...(isIP(host) ? {} : { servername: host }),
    // What is wrong with it is said below, in words; nothing is sent.
    rejectUnauthorized: false,
    ...authorities(caFile),
  });
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(PATIENCE_MS) });
    const { subject, valid_to } = socket.getPeerCertificate();
    const days = Math.floor((Date.parse(valid_to) - Date.now()) / DAY_MS);
    const name = String(subject?.CN ?? host);
    if (!socket.authorized) {
      const why = String(socket.authorizationError);
      return failure(`${name} is not trusted: ${why}`, 'name the authority in s3_ca_file, or correct the certificate');
    }
    const seen = `${name}, ${socket.getProtocol()}, valid for ${days} days`;
    return days < CERTIFICATE_DAYS ? warning(seen, 'replace it before it ends: backups stop then') : ok(seen);
  } finally {
    socket.destroy();
  }
}

async function clock({ url, caFile }: Endpoint): Promise<Seen> {
  const ask = url.protocol === 'https:' ? requestHttps : requestHttp;
  const begun = Date.now();
  const asked = ask(url, {
    method: 'HEAD',
    agent: false,
    signal: AbortSignal.timeout(PATIENCE_MS),
    ...authorities(caFile),
  });
  const [answer] = await once(asked.end(), 'response');
  const arrived = Date.now();
  answer.destroy();
  const theirs = Date.parse(answer.headers.date ?? '');
  if (Number.isNaN(theirs)) return skipped('the answer has no Date');
  // Their clock was read somewhere in between, and shows whole seconds.
  const skew = theirs + 500 - (begun + arrived) / 2;
  const seen = `theirs is ${(Math.abs(skew) / 1000).toFixed(1)} s ${skew < 0 ? 'behind' : 'ahead'}`;
  if (Math.abs(skew) < WARN_SKEW_MS) return ok(seen);
  const advice = 'set both clocks by the same NTP servers';
  return Math.abs(skew) < MOST_SKEW_MS ? warning(seen, advice) : failure(seen, `${advice}: signatures are refused`);
}
