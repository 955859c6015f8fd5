/*
 * What the standard environment variables say about traces, as far as the SDK's packages do not read them by themselves:
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */

export const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
export type SamplerName = (typeof SAMPLERS)[number];

const PROTOCOLS = ['http/protobuf', 'http/json'] as const;

/** Spans wait for their way here; nobody's mistake may make them take up the memory. */
const MOST_WAITING = 65_536;
const MOST_MS = 600_000;

export interface TracingPlan {
  readonly protocol: (typeof PROTOCOLS)[number];
  readonly sampler: SamplerName;
  /** Of traces that are kept, for samplers by trace id; 0 to 1. */
  readonly ratio: number;
  /** Spans that may wait, and those that go at once. */
  readonly queue: number;
  readonly batch: number;
  /** Milliseconds. */
  readonly delayMs: number;
  readonly timeoutMs: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Whether and how traces are wanted: with `OTEL_TRACES_EXPORTER=otlp`, or with the address of a collector and no word about the exporter.
 * @param tell hears of what makes no sense; it is passed over, as the standard has it.
 */
export function tracingPlan(environment: Environment, tell: (problem: string) => void): TracingPlan | undefined {
  const text = (name: string): string | undefined => environment[name]?.trim() || undefined;
  const oneOf = <T extends string>(names: readonly string[], known: readonly T[], usual: T): T => {
    const name = names.find((one) => text(one) !== undefined);
    const value = name === undefined ? usual : text(name)?.toLowerCase();
    const found = known.find((one) => one === value);
    if (found === undefined) tell(`${name} is none of ${known.join(', ')}: ${usual} is used`);
    return found ?? usual;
  };
  const number = (name: string, usual: number, least: number, most: number): number => {
    const value = Number(text(name) ?? usual);
    if (value >= least && value <= most) return value;
    tell(`${name} is no number from ${least} to ${most}: ${usual} is used`);
    return usual;
  };
  if (text('OTEL_SDK_DISABLED')?.toLowerCase() === 'true' || !exporterWanted(text, tell)) return undefined;
  const queue = Math.floor(number('OTEL_BSP_MAX_QUEUE_SIZE', 2_048, 1, MOST_WAITING));
  return {
    protocol: oneOf(['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'], PROTOCOLS, 'http/protobuf'),
    sampler: oneOf(['OTEL_TRACES_SAMPLER'], SAMPLERS, 'parentbased_always_on'),
    ratio: number('OTEL_TRACES_SAMPLER_ARG', 1, 0, 1),
    queue,
    batch: Math.min(queue, Math.floor(number('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512, 1, MOST_WAITING))),
    delayMs: number('OTEL_BSP_SCHEDULE_DELAY', 5_000, 1, MOST_MS),
    timeoutMs: number('OTEL_BSP_EXPORT_TIMEOUT', 30_000, 1, MOST_MS),
  };
}

function exporterWanted(text: (name: string) => string | undefined, tell: (problem: string) => void): boolean {
  const named = text('OTEL_TRACES_EXPORTER');
  if (named === undefined)
    return ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'].some((one) => text(one) !== undefined);
  const exporters = named.split(',').map((one) => one.trim().toLowerCase());
  for (const one of exporters)
    if (one !== 'otlp' && one !== 'none') tell(`OTEL_TRACES_EXPORTER: only otlp and none are known here`);
  return exporters.includes('otlp');
}
