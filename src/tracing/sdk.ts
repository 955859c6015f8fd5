import { context, DiagLogLevel, diag, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { setGlobalErrorHandler } from '@opentelemetry/core';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { detectResources, envDetector, hostDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { VERSION } from '../version.ts';
import type { SamplerName, TracingPlan } from './environment.ts';

/** Bounds of one span; names of images come from hosts. */
const MAX_VALUE = 1_024;
const MAX_EVENTS = 64;
/** Requests to the collector at the same time. */
const MAX_EXPORTS = 4;

/**
 * The OpenTelemetry SDK, loaded only where traces are wanted. Exporters read address, headers, certificates, time limits and compression from the
 * environment themselves.
 *
 * @param tell hears what the SDK says of itself.
 * @returns sends what waits, and ends.
 */
export function openSdk(plan: TracingPlan, tell: (problem: string) => void): () => Promise<void> {
  const ignore = (): void => undefined;
  const logger = { error: tell, warn: tell, info: ignore, debug: ignore, verbose: ignore };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  setGlobalErrorHandler((error) => tell(`traces were not taken: ${messageOf(error)}`));
  const Exporter = plan.protocol === 'http/json' ? JsonExporter : ProtobufExporter;
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'vast-ost', 'service.version': VERSION }).merge(
      detectResources({ detectors: [hostDetector, envDetector] }),
    ),
    sampler: samplerOf(plan.sampler, plan.ratio),
    spanLimits: { attributeValueLengthLimit: MAX_VALUE, eventCountLimit: MAX_EVENTS },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new Exporter({ concurrencyLimit: MAX_EXPORTS }),
        maxQueueSize: plan.queue,
        maxExportBatchSize: plan.batch,
        scheduledDelayMillis: plan.delayMs,
        exportTimeoutMillis: plan.timeoutMs,
      }),
    ],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(provider);
  return () => provider.shutdown();
}

function samplerOf(name: SamplerName, ratio: number): Sampler {
  const bare = name.replace('parentbased_', '');
  const root =
    bare === 'always_on'
      ? new AlwaysOnSampler()
      : bare === 'always_off'
        ? new AlwaysOffSampler()
        : new TraceIdRatioBasedSampler(ratio);
  return name.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root;
}

/** What a collector answers is not repeated. */
function messageOf(error: unknown): string {
  const { message, code } = error as Error & { code?: unknown };
  return typeof code === 'number' ? `HTTP ${code}` : message || String(code ?? 'for no reason told');
}
