/** Addresses of one pool that are looked at; more would be a mistake. */
const MAX_ADDRESSES = 4096;

function toNumber(address: string): number | undefined {
  const parts = address.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

/** The address that lies so many places after an IPv4 address. */
export function addressAfter(address: string, places: number): string {
  const value = (toNumber(address) ?? 0) + places;
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

/** The IPv4 addresses of `[[start, end], …]`; other kinds of address are ranges of one. */
export function expandRanges(ranges: readonly (readonly [string, string])[]): string[] {
  const addresses: string[] = [];
  for (const [start, end] of ranges) {
    const [first, last] = [toNumber(start), toNumber(end)];
    if (first === undefined || last === undefined) {
      addresses.push(start);
      continue;
    }
    for (let place = 0; place <= last - first && addresses.length < MAX_ADDRESSES; place += 1) {
      addresses.push(addressAfter(start, place));
    }
  }
  return addresses;
}

/** Ranges that hold just these addresses, each on its own. */
export function singleRanges(addresses: readonly string[]): (readonly [string, string])[] {
  return addresses.map((address) => [address, address] as const);
}
