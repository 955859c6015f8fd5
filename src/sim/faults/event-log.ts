/** One thing that happened, for tests to find. */
export interface LogEntry {
  readonly seq: number;
  readonly time: string;
  /** `vms`, `s3`, `vip`, `dns` or `admin`. */
  readonly where: string;
  /** `request`, `fault`, `unknown-field` … */
  readonly event: string;
  readonly [detail: string]: unknown;
}

/** Entries kept; older ones are forgotten. */
const MAX_ENTRIES = 10_000;

/** What happened, in order, bounded. */
export class EventLog {
  readonly #clock: () => number;
  #entries: LogEntry[] = [];
  #next = 1;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  add(where: string, event: string, details: Readonly<Record<string, unknown>> = {}): void {
    this.#entries.push({ seq: this.#next, time: new Date(this.#clock()).toISOString(), where, event, ...details });
    this.#next += 1;
    if (this.#entries.length >= 2 * MAX_ENTRIES) this.#entries = this.#entries.slice(-MAX_ENTRIES);
  }

  /** Entries after a sequence number, at most 10,000. */
  entries(after = 0): LogEntry[] {
    return this.#entries.filter((entry) => entry.seq > after).slice(-MAX_ENTRIES);
  }
}
