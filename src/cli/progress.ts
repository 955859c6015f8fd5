import { formatDuration, formatSize } from '../units.ts';

/** What a progress line shows. */
export interface ProgressNumbers {
  /** Logical bytes done. */
  readonly bytes: number;
  readonly partsInFlight: number;
  readonly retries: number;
}

export interface ProgressOptions {
  /** First word of the line. */
  readonly verb: string;
  /** Total bytes, when known: gives a share and an ETA. */
  readonly total: number | undefined;
  readonly sample: () => ProgressNumbers;
  readonly output: { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown };
  /** Milliseconds on any steady clock. */
  readonly now?: () => number;
}

const REFRESH_MS = 250;
/** The current rate is that of the last few seconds. */
const RATE_WINDOW_MS = 3000;

/** One line on a terminal, redrawn in place; silent anywhere else. */
export class ProgressLine {
  readonly #options: ProgressOptions;
  readonly #now: () => number;
  readonly #started: number;
  readonly #recent: { at: number; bytes: number }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#started = this.#now();
    if (options.output.isTTY) {
      this.#timer = setInterval(() => this.#draw(), REFRESH_MS);
      this.#timer.unref();
    }
  }

  /** Remove the line. */
  stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#options.output.write('\r\x1b[K');
  }

  #draw(): void {
    const columns = this.#options.output.columns ?? 80;
    this.#options.output.write(`\r${this.text().slice(0, columns - 1)}\x1b[K`);
  }

  /** The line as it stands now. */
  text(): string {
    const { verb, total, sample } = this.#options;
    const { bytes, partsInFlight, retries } = sample();
    const now = this.#now();
    this.#recent.push({ at: now, bytes });
    while (this.#recent.length > 2 && now - (this.#recent[1] as { at: number }).at > RATE_WINDOW_MS)
      this.#recent.shift();
    const [oldest] = this.#recent as [{ at: number; bytes: number }];
    const current = rate(bytes - oldest.bytes, now - oldest.at);
    const mean = rate(bytes, now - this.#started);
    const done =
      total === undefined ? formatSize(bytes) : `${formatSize(bytes)} of ${formatSize(total)}${share(bytes, total)}`;
    const left =
      total === undefined || mean === 0 ? 'ETA unknown' : `ETA ${formatDuration(Math.max(0, total - bytes) / mean)}`;
    return `${verb} ${done}  ${formatSize(Math.round(current))}/s (mean ${formatSize(Math.round(mean))}/s)  ${partsInFlight} in flight  ${retries} retries  ${left}`;
  }
}

/** Bytes per second. */
function rate(bytes: number, milliseconds: number): number {
  return milliseconds <= 0 ? 0 : (bytes * 1000) / milliseconds;
}

function share(bytes: number, total: number): string {
  return total === 0 ? '' : ` (${Math.min(100, Math.floor((bytes * 100) / total))}%)`;
}
