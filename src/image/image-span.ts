import { type Attributes, type Context, context, ROOT_CONTEXT, type Span } from '@opentelemetry/api';
import { failureOf } from '../errors.ts';
import type { StageTotals } from '../pipeline/stage-meters.ts';
import { begin, fail, inSpan } from '../tracing/spans.ts';

/** What is done with an image as a whole. */
export type ImageWork = 'backup' | 'restore' | 'copy' | 'delete' | 'verify';

/** Which image, and for whom. */
export interface ImageSubject {
  readonly lsu: string;
  readonly imageId?: string | undefined;
  /** As NetBackup knows it. */
  readonly name?: string | undefined;
  readonly server?: string | undefined;
  /** NetBackup's number of the job. */
  readonly job?: string | undefined;
  /** The host's process, which finds the job in NetBackup's logs. */
  readonly hostPid?: number | undefined;
}

/** What came of it. */
export interface ImageOutcome {
  readonly result: string;
  /** Logical bytes. */
  readonly bytes?: number | undefined;
  /** Encoded bytes in storage. */
  readonly stored?: number | undefined;
  /** Where the time went. */
  readonly stages?: readonly StageTotals[] | undefined;
  readonly error?: unknown;
}

/** The root span of an image that is open: everything about it stands below. */
export class ImageSpan {
  readonly #span: Span;
  readonly #at: Context;

  constructor(work: ImageWork, subject: ImageSubject) {
    const { span, at } = begin(work, { parent: ROOT_CONTEXT, attributes: attributesOf(subject) });
    this.#span = span;
    this.#at = at;
  }

  /** 32 hexadecimal digits; undefined when it is not recorded. */
  get traceId(): string | undefined {
    return this.#span.isRecording() ? this.#span.spanContext().traceId : undefined;
  }

  /** Do something inside it. */
  run<T>(work: () => T): T {
    return context.with(this.#at, work);
  }

  /** A second call does nothing. */
  end(outcome: ImageOutcome): void {
    if (!this.#span.isRecording()) return;
    setOutcome(this.#span, outcome);
    this.#span.end();
  }
}

/** As {@link ImageSpan}, for work that is one function. What it resolves to may say what came of it. */
export function imageSpan<T>(
  work: ImageWork,
  subject: ImageSubject,
  run: (tell: (outcome: ImageOutcome) => void) => Promise<T>,
): Promise<T> {
  const plan = { parent: ROOT_CONTEXT, attributes: attributesOf(subject) };
  return inSpan(work, plan, async (span) => {
    try {
      return await run((outcome) => setOutcome(span, outcome));
    } catch (error) {
      setOutcome(span, { result: failureOf(error) === 'aborted' ? 'abandoned' : 'failed' });
      throw error;
    }
  });
}

function attributesOf({ lsu, imageId, name, server, job, hostPid }: ImageSubject): Attributes {
  return defined({
    'vast_ost.server': server,
    'vast_ost.lsu': lsu,
    'vast_ost.image.id': imageId,
    'vast_ost.image.name': name,
    'vast_ost.job.id': job,
    'vast_ost.host.pid': hostPid,
  });
}

function setOutcome(span: Span, { result, bytes, stored, stages = [], error }: ImageOutcome): void {
  if (!span.isRecording()) return;
  span.setAttributes(defined({ 'vast_ost.result': result, 'vast_ost.bytes': bytes, 'vast_ost.stored_bytes': stored }));
  for (const { stage, times } of stages) {
    span.setAttribute(`vast_ost.stage.${stage}.busy_seconds`, times.busy / 1000);
    span.setAttribute(`vast_ost.stage.${stage}.wait_seconds`, (times.upstream + times.downstream) / 1000);
  }
  if (error !== undefined) fail(span, error);
}

function defined(values: Readonly<Record<string, string | number | undefined>>): Attributes {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
