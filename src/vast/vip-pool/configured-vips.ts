import { EngineError } from '../../errors.ts';
import { hostOf, isEndpoint, portOf } from '../endpoint.ts';
import { DnsVips } from './dns-vips.ts';
import { fixedVips, type VipAddress, type VipSource } from './vip-source.ts';

/** The settings that say where a storage's VIPs are; lists are separated by commas. */
export interface VipSettings {
  /** `http(s)://host[:port]` of every VIP. */
  readonly endpoints?: string | undefined;
  readonly dnsName?: string | undefined;
  readonly dnsServers?: string | undefined;
}

/**
 * The source that the settings of the storage at `url` describe; undefined when its own address is all there is.
 * @throws EngineError VOST_CONFIG (`usage`)
 */
export function configuredVips(url: string, { endpoints, dnsName, dnsServers }: VipSettings): VipSource | undefined {
  if (endpoints === undefined && dnsName === undefined) {
    if (dnsServers !== undefined) throw wrong('dns_servers says whom to ask, and dns_name is missing');
    return undefined;
  }
  if (!url.startsWith('s3:')) throw wrong('only an S3 storage has endpoints or a dns_name');
  if (endpoints !== undefined && dnsName !== undefined) throw wrong('give endpoints or dns_name, not both');
  if (dnsName !== undefined) return dnsVips(dnsName, list(dnsServers));
  const protocol = url.slice('s3:'.length).split('//', 1)[0] ?? '';
  const addresses = list(endpoints).map((text) => addressOf(text, protocol));
  if (addresses.length === 0) throw wrong('endpoints names none');
  return fixedVips(addresses);
}

function dnsVips(name: string, servers: readonly string[]): VipSource {
  try {
    return new DnsVips(name, servers);
  } catch {
    throw wrong('dns_servers are IP addresses, or ADDRESS:PORT, separated by commas');
  }
}

function list(text = ''): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** The text is not repeated in errors: somebody may have put a password into it. */
function addressOf(text: string, protocol: string): VipAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.protocol !== protocol || !isEndpoint(url)) {
    throw wrong(`endpoints are ${protocol}//HOST:PORT like the storage's own, separated by commas`);
  }
  return { host: hostOf(url), port: portOf(url) };
}

function wrong(message: string): EngineError {
  return new EngineError('VOST_CONFIG', 'usage', message, { advice: 'docs/service.md describes the settings' });
}
