/**
 * How many requests one VIP may have in flight: TCP's congestion window (RFC 5681), counted in
 * requests. A VIP that says it is too busy gets half as many, and one more each time that all of them went well; one
 * that comes back after a failure begins with one and doubles.
 */
export class Window {
  readonly #bound: number;
  #size: number;
  /** Below this the window doubles; above it grows by one. */
  #threshold: number;
  /** Requests that began before this one knew nothing of the latest cut. */
  #cutAt = 0;

  constructor(bound: number) {
    this.#bound = bound;
    this.#size = bound;
    this.#threshold = bound;
  }

  /** Requests allowed now, at least 1. */
  get size(): number {
    return Math.floor(this.#size);
  }

  grow(): void {
    const step = this.#size < this.#threshold ? 1 : 1 / this.#size;
    this.#size = Math.min(this.#bound, this.#size + step);
  }

  /**
   * Too busy.
   * @param began number of the request that was refused
   * @param latest number of the latest request
   * @param inFlight requests in flight, this one included
   */
  cut(began: number, latest: number, inFlight: number): void {
    if (began <= this.#cutAt) return;
    this.#cutAt = latest;
    this.#size = Math.max(1, Math.floor(Math.min(this.#size, inFlight) / 2));
    this.#threshold = this.#size;
  }

  /** Begin with one request again. */
  restart(): void {
    this.#threshold = Math.max(this.#threshold, this.#size);
    this.#size = 1;
  }
}
