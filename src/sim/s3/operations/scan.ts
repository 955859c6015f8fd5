import { prefixEnd } from '../keys.ts';

/** Keys in ascending order: the first one `>= from`, or `> from`. */
export interface OrderedKeys {
  next(from: string, inclusive: boolean): string | undefined;
}

export interface ScanOptions {
  readonly prefix: string;
  /** '' rolls nothing up. */
  readonly delimiter: string;
  /** Only entries greater than this; '' for all. */
  readonly after: string;
  readonly limit: number;
}

/** A key, or a common prefix that stands for every key under it. */
export interface ScanEntry {
  readonly name: string;
  readonly isPrefix: boolean;
}

export interface ScanPage {
  readonly entries: readonly ScanEntry[];
  readonly truncated: boolean;
}

/**
 * One page of a listing. Entries are keys and common prefixes in byte order; a page begins after
 * the entry `after`, so the last entry of a page continues the listing. A common prefix costs one
 * look-up however many keys it holds.
 */
export function scan(keys: OrderedKeys, options: ScanOptions): ScanPage {
  const entries: ScanEntry[] = [];
  const { prefix, delimiter, after, limit } = options;
  if (limit === 0) return { entries, truncated: false };
  let key = after < prefix ? keys.next(prefix, true) : keys.next(after, false);
  while (key?.startsWith(prefix) === true) {
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const name = cut < 0 ? key : key.slice(0, cut + delimiter.length);
    if (name > after) {
      if (entries.length === limit) return { entries, truncated: true };
      entries.push({ name, isPrefix: cut >= 0 });
    }
    const skipTo = cut < 0 ? undefined : prefixEnd(name);
    if (cut >= 0 && skipTo === undefined) break;
    key = skipTo === undefined ? keys.next(key, false) : keys.next(skipTo, true);
  }
  return { entries, truncated: false };
}
