/** The middle value; of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Median and extremes, `1.23 [1.20-1.31]`; without the extremes when there is one value. */
export function spread(values: readonly number[], digits = 2): string {
  const middle = median(values).toFixed(digits);
  if (values.length < 2) return middle;
  return `${middle} [${Math.min(...values).toFixed(digits)}-${Math.max(...values).toFixed(digits)}]`;
}

/**
 * Where the median of very many such values would lie, with 95 %: the interval of the sign test, which supposes nothing about how they are
 * distributed. Of fewer than six values the extremes, which say less than that.
 */
export function medianInterval(values: readonly number[]): readonly [number, number] {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  // So many from either end are left out as leaves each end wrong in 2.5 % of cases at most.
  let out = 0;
  for (let term = 2 ** -n, sum = term; sum <= 0.025; out += 1) {
    term *= (n - out) / (out + 1);
    sum += term;
  }
  const end = Math.max(0, out - 1);
  return [sorted[end] ?? Number.NaN, sorted[n - 1 - end] ?? Number.NaN];
}
