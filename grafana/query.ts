import { METRICS, type MetricName } from '../src/metrics/definitions.ts';

/** One query of a panel. */
export interface Query {
  readonly expr: string;
  /** Name of a series, with `{{label}}`. */
  readonly legend: string;
}

/** Values of labels: `write` is equal to it, `!ok` not, `~a|b` matches and `!~a|b` does not. */
type Selector<N extends MetricName> = { readonly [label in keyof (typeof METRICS)[N]['labels']]?: string };

/** The window of rates: a few scrapes, or a point of the panel where that is more. */
export const WINDOW = '$__rate_interval';

/** The series of a metric that the dashboard's variables choose. What has a server or LSU follows these variables. */
export function series<N extends MetricName>(name: N, selector: Selector<N> = {}): string {
  return seriesNamed(name, name, selector);
}

/** Buckets of a histogram. */
export function buckets<N extends MetricName>(name: N, selector: Selector<N> = {}): string {
  return seriesNamed(`${name}_bucket`, name, selector);
}

/** Per second. */
export function rate<N extends MetricName>(name: N, selector: Selector<N> = {}, window = WINDOW): string {
  return `rate(${series(name, selector)}[${window}])`;
}

/** Sum of rates. */
export function rates<N extends MetricName>(name: N, by: string, selector: Selector<N> = {}): string {
  return `sum by (${by}) (${rate(name, selector)})`;
}

export function query(expr: string, legend = ''): Query {
  return { expr, legend };
}

function seriesNamed<N extends MetricName>(shown: string, name: N, selector: Selector<N>): string {
  const known = Object.keys(METRICS[name].labels);
  const variables = ['server', 'lsu'].filter((label) => known.includes(label)).map((label) => [label, `~$${label}`]);
  const all = { instance: '~$instance', ...Object.fromEntries(variables), ...selector } as Record<string, string>;
  return `${shown}{${Object.entries(all).map(matcher).join(',')}}`;
}

const OPERATORS: Readonly<Record<string, string>> = { '': '=', '!': '!=', '~': '=~', '!~': '!~' };

function matcher([label, value]: [string, string]): string {
  const [, operator = '', text = ''] = /^(!?~?)(.*)$/.exec(value) ?? [];
  return `${label}${OPERATORS[operator]}"${text}"`;
}
