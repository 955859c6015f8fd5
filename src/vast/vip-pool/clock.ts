/** Time and chance, replaceable in tests. */
export interface VipClock {
  /** Monotonic milliseconds. */
  now(): number;
  /** In [0, 1). */
  random(): number;
  /** Run something later, unless the process ends before. Gives what cancels it. */
  after(ms: number, run: () => void): () => void;
}

export const systemVipClock: VipClock = {
  now: () => performance.now(),
  random: Math.random,
  after: (ms, run) => {
    const timer = setTimeout(run, ms).unref();
    return () => clearTimeout(timer);
  },
};
