import { BlockList, isIPv4 } from 'node:net';

/** Addresses of one pool; real ones have tens. */
const MAX_ADDRESSES = 1024;

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toAddress(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
}

/**
 * The addresses of ranges, both ends included, at most {@link MAX_ADDRESSES}. A range of one address may be of any family; longer
 * ones are IPv4. What is no range is left out.
 */
export function addressesOf(ranges: readonly (readonly string[])[]): string[] {
  const found = new Set<string>();
  for (const [first = '', last = ''] of ranges) {
    if (first === last && isAddress(first)) found.add(first);
    else if (isIPv4(first) && isIPv4(last)) {
      for (let at = toNumber(first); at <= toNumber(last) && found.size < MAX_ADDRESSES; at += 1)
        found.add(toAddress(at));
    }
  }
  return [...found].slice(0, MAX_ADDRESSES);
}

function isAddress(text: string): boolean {
  try {
    new BlockList().addAddress(text, text.includes(':') ? 'ipv6' : 'ipv4');
    return true;
  } catch {
    return false;
  }
}
