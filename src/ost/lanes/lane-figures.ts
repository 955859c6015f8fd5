/** How a lane is doing. */
export interface LaneFigures {
  /** From 0. */
  readonly lane: number;
  /** Images that it works on. */
  readonly images: number;
  /** How often it had to be started anew. */
  readonly restarts: number;
  /** Seconds since it was heard last. */
  readonly silent: number;
  /** Seconds by which its loop was late, by quantile. */
  readonly delays: readonly (readonly [quantile: number, seconds: number])[];
  /** Seconds in which its loop was busy. */
  readonly active: number;
  readonly heapBytes: number;
}
