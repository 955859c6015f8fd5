/**
 * Which bytes of a slab have been written: disjoint half-open ranges in ascending order. Sequential writers keep
 * this at one range; an out-of-order writer at a few.
 */
export class Coverage {
  readonly #ranges: [start: number, end: number][] = [];

  /** Mark [start, end) as written; overlaps and neighbours merge. */
  add(start: number, end: number): void {
    if (start >= end) return;
    const ranges = this.#ranges;
    const last = ranges.at(-1);
    if (last === undefined || start > last[1]) {
      ranges.push([start, end]);
      return;
    }
    let from = ranges.length;
    while (from > 0 && (ranges[from - 1] as [number, number])[1] >= start) from -= 1;
    let to = from;
    let mergedStart = start;
    let mergedEnd = end;
    for (let range = ranges[to]; range !== undefined && range[0] <= end; range = ranges[to]) {
      mergedStart = Math.min(mergedStart, range[0]);
      mergedEnd = Math.max(mergedEnd, range[1]);
      to += 1;
    }
    ranges.splice(from, to - from, [mergedStart, mergedEnd]);
  }

  /** End of the gapless range that begins at 0; the first byte not written. */
  get filled(): number {
    const first = this.#ranges[0];
    return first === undefined || first[0] > 0 ? 0 : first[1];
  }

  /** End of the last byte written. */
  get end(): number {
    return this.#ranges.at(-1)?.[1] ?? 0;
  }
}
