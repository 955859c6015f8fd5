import { EngineError } from '../../errors.ts';
import { hostOf, isEndpoint, portOf } from '../endpoint.ts';
import { DnsVips } from './dns-vips.ts';
import { fixedVips, type VipAddress, type VipSource } from './vip-source.ts';

/** The settings about VIPs, as they stand in the configuration; lists are separated by commas. */
export interface VipSettings {
  /** `http(s)://host[:port]` of every VIP. */
  readonly endpoints?: string | undefined;
  readonly dns_name?: string | undefined;
  readonly dns_servers?: string | undefined;
  readonly connections_per_vip: number;
}

/** What an S3 storage takes of them. */
export interface VipOptions {
  /** Absent when the storage's own address is all there is. */
  readonly vips?: VipSource;
  readonly connections: number;
}

/**
 * The VIPs that the settings of the storage at `url` describe.
 * @param where the section, for errors
 * @throws EngineError VOST_CONFIG (`usage`)
 */
export function vipOptions(url: string, settings: VipSettings, where: string): VipOptions {
  try {
    const vips = sourceOf(url, settings);
    return { connections: settings.connections_per_vip, ...(vips === undefined ? {} : { vips }) };
  } catch (error) {
    throw new EngineError('VOST_CONFIG', 'usage', `${where}: ${(error as Error).message}`, {
      advice: 'docs/service.md says how endpoints, dns_name and dns_servers go together',
    });
  }
}

/** Throws errors that say what is wrong. */
function sourceOf(url: string, { endpoints, dns_name, dns_servers }: VipSettings): VipSource | undefined {
  if (endpoints === undefined && dns_name === undefined) {
    if (dns_servers !== undefined) throw new Error('dns_servers says whom to ask, but there is no dns_name');
    return undefined;
  }
  if (!url.startsWith('s3:')) throw new Error('only an S3 store has endpoints or a dns_name');
  if (endpoints !== undefined && dns_name !== undefined) throw new Error('give endpoints or dns_name, not both');
  if (dns_name !== undefined) return dnsVips(dns_name, list(dns_servers));
  const protocol = url.slice('s3:'.length).split('//', 1)[0] ?? '';
  const addresses = list(endpoints).map((text) => addressOf(text, protocol));
  if (addresses.length === 0) throw new Error('endpoints names none');
  return fixedVips(addresses);
}

function dnsVips(name: string, servers: readonly string[]): VipSource {
  try {
    return new DnsVips(name, servers);
  } catch {
    throw new Error('dns_servers are IP addresses, or ADDRESS:PORT, separated by commas');
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
    throw new Error(`endpoints are ${protocol}//HOST:PORT and nothing more, separated by commas`);
  }
  return { host: hostOf(url), port: portOf(url) };
}
