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
