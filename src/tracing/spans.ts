import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { EngineError, type FailureClass, failureOf } from '../errors.ts';
import { VERSION } from '../version.ts';

/*
 * Spans by the OpenTelemetry API, which does nothing until an SDK is there (start-tracing.ts).
 */

const tracer = trace.getTracer('vast-ost', VERSION);

/** Where a span's parent stands: what its context still leads to when it has ended. */
const OUTER = createContextKey('vast-ost.outer');

/** Answers that are no failures of the storage that gave them. */
const ANSWERS: ReadonlySet<FailureClass> = new Set<FailureClass>(['not-found', 'exists', 'aborted']);
const STOPPED: ReadonlySet<FailureClass> = new Set<FailureClass>(['aborted']);

export interface SpanPlan {
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
  /** When it began, milliseconds since the epoch. Default: now. */
  readonly startTime?: number;
  /** Below which span. Default: the one at work. {@link ROOT_CONTEXT} begins a trace. */
  readonly parent?: Context;
}

/**
 * The context at work. What goes on behind a span's back when it has ended belongs to the span around it: a timer, or a stream that
 * whoever comes first sets going.
 */
export function here(): Context {
  return lasting(context.active());
}

/** Keeps what is done later, whoever sets it going, in the present context. */
export function bound<A extends unknown[], R>(work: (...given: A) => R): (...given: A) => R {
  return context.bind(here(), work);
}

/** Do some work in a span of its own. An error ends it as failed. */
export function inSpan<T>(name: string, plan: SpanPlan, work: (span: Span) => Promise<T>): Promise<T> {
  const { span, at } = begin(name, plan);
  return context.with(at, async () => {
    try {
      return await work(span);
    } catch (error) {
      fail(span, error, plan.kind === SpanKind.CLIENT ? ANSWERS : STOPPED);
      throw error;
    } finally {
      span.end();
    }
  });
}

/** Begin a span, to be ended by the caller, and the context inside it. */
export function begin(name: string, { parent = here(), ...options }: SpanPlan): { span: Span; at: Context } {
  const span = tracer.startSpan(name, options, parent);
  return { span, at: trace.setSpan(parent, span).setValue(OUTER, parent) };
}

/** The span at work as it is told to another thread; undefined when nobody records it. */
export function spanToTell(): SpanContext | undefined {
  const at = here();
  const span = trace.getSpan(at);
  if (span === undefined || !isRecorded(at)) return undefined;
  const { traceId, spanId, traceFlags } = span.spanContext();
  return { traceId, spanId, traceFlags };
}

/** Do some work below a span of another thread. */
export function below<T>(told: SpanContext | undefined, work: () => T): T {
  if (told === undefined) return work();
  return context.with(trace.setSpanContext(ROOT_CONTEXT, { ...told, isRemote: true }), work);
}

/** Whether what happens in a context ends up in a trace. */
export function isRecorded(at: Context = context.active()): boolean {
  const span = trace.getSpan(at);
  if (span === undefined) return false;
  const { isRemote, traceFlags } = span.spanContext();
  return span.isRecording() || (isRemote === true && (traceFlags & TraceFlags.SAMPLED) !== 0);
}

/** Leads from a line of a log to the trace that it was written in. */
export function traceOf(): object {
  const span = trace.getActiveSpan();
  return span !== undefined && isRecorded() ? { trace_id: span.spanContext().traceId } : {};
}

/**
 * Note an error: its code and message, which hold no secrets; not its cause.
 * @param fine what is no failure all the same.
 */
export function fail(span: Span, error: unknown, fine: ReadonlySet<FailureClass> = STOPPED): void {
  if (!span.isRecording()) return;
  const name = error instanceof EngineError ? error.code : 'VOST_INTERNAL';
  const message = error instanceof Error ? error.message : String(error);
  span.setAttribute('error.type', name);
  span.recordException({ name, message });
  if (!fine.has(failureOf(error))) span.setStatus({ code: SpanStatusCode.ERROR, message: name });
}

function lasting(at: Context): Context {
  let context = at;
  for (let span = trace.getSpan(context); span !== undefined && hasEnded(span); span = trace.getSpan(context))
    context = (context.getValue(OUTER) as Context | undefined) ?? ROOT_CONTEXT;
  return context;
}

/** One that was never to be recorded has no end, and that of another thread is not ours to end. */
function hasEnded(span: Span): boolean {
  const { isRemote, traceFlags } = span.spanContext();
  return !span.isRecording() && isRemote !== true && (traceFlags & TraceFlags.SAMPLED) !== 0;
}
