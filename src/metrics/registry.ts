import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { definitionOf, METRIC_NAMES, type MetricName } from './definitions.ts';

export type Labels = Readonly<Record<string, string>>;

/** One series at one moment. */
export interface Reading {
  readonly name: MetricName;
  readonly labels?: Labels;
  readonly value: number;
}

/** Reads numbers that the engine keeps anyway. Must neither wait nor ask anybody. */
export type Reader = () => Iterable<Reading>;

/** Series of one metric at most: LSUs and VIPs come from outside. */
const MAX_SERIES = 2_000;

/**
 * The metrics of the table. Histograms are observed when things happen; everything else is read when somebody scrapes, so that it costs
 * nothing in between. Knows no global registry.
 */
export class MetricRegistry {
  readonly #registry = new Registry();
  readonly #numbers = new Map<MetricName, Counter | Gauge>();
  readonly #histograms = new Map<MetricName, Histogram>();
  /** Text of series that nothing was observed of yet: they are many, and remain as they are. */
  readonly #empty = new Map<MetricName, Map<Labels, string>>();
  readonly #readers: Reader[] = [];
  #rendering: Promise<string> | undefined;

  constructor() {
    for (const name of METRIC_NAMES) {
      const { type, help, labels, buckets } = definitionOf(name);
      const options = { name, help, labelNames: Object.keys(labels), registers: [this.#registry] };
      if (type === 'histogram')
        this.#histograms.set(name, new Histogram({ ...options, buckets: [...(buckets ?? [])] }));
      else this.#numbers.set(name, type === 'counter' ? new Counter(options) : new Gauge(options));
    }
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Ask this reader at every scrape. */
  read(reader: Reader): void {
    this.#readers.push(reader);
  }

  /** One series of a histogram, to be kept and observed; empty from now on. */
  series(name: MetricName, labels: Labels): (value: number) => void {
    const histogram = this.#histograms.get(name);
    if (histogram === undefined) throw new Error(`${name} is no histogram`);
    const empty = this.#empty.get(name) ?? new Map<Labels, string>();
    this.#empty.set(name, empty.set(labels, emptySeries(name, labels)));
    return (value) => {
      empty.delete(labels);
      histogram.observe(labels, value);
    };
  }

  /** Everything in the text format of Prometheus. Those who ask at the same time get the same answer. */
  text(): Promise<string> {
    this.#rendering ??= this.#render().finally(() => {
      this.#rendering = undefined;
    });
    return this.#rendering;
  }

  async #render(): Promise<string> {
    const counts = new Map<MetricName, number>();
    for (const metric of this.#numbers.values()) metric.reset();
    for (const reader of this.#readers) {
      for (const reading of reader()) {
        const count = (counts.get(reading.name) ?? 0) + 1;
        counts.set(reading.name, count);
        if (count <= MAX_SERIES) this.#set(reading);
      }
    }
    let text = await this.#registry.metrics();
    for (const [name, empty] of this.#empty)
      text = text.replace(`# TYPE ${name} histogram\n`, (head) => [head, ...empty.values()].join(''));
    return text;
  }

  #set({ name, labels = {}, value }: Reading): void {
    const metric = this.#numbers.get(name);
    if (metric instanceof Counter) metric.inc(labels, value);
    else if (metric !== undefined) metric.set(labels, value);
    else throw new Error(`${name} cannot be read`);
  }
}

/** As prom-client writes them. */
function emptySeries(name: MetricName, labels: Labels): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value.replace(/[\\"\n]/g, escapeOf)}"`);
  const lines = [...(definitionOf(name).buckets ?? []), '+Inf'].map(
    (bound) => `${name}_bucket{${[`le="${bound}"`, ...pairs].join(',')}} 0\n`,
  );
  const ends = ['sum', 'count'].map((end) => `${name}_${end}{${pairs.join(',')}} 0\n`);
  return [...lines, ...ends].join('');
}

function escapeOf(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`;
}
