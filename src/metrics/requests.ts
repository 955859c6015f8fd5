import { type FailureClass, failureOf } from '../errors.ts';
import type { RequestObserver, RequestService } from '../ost/request-observer.ts';
import type { AttemptEvent, RetryEvent } from '../vast/retry.ts';
import { KNOWN_REQUESTS } from './known-requests.ts';
import type { MetricRegistry, Reading } from './registry.ts';

/** Operations of one service that are told apart. There are fewer; this bounds what a mistake can do. */
const MAX_OPERATIONS = 100;
/** What comes of requests in the end, or again and again; the other classes are answers to what nobody asks often. */
const RESULTS = [
  'ok',
  'retryable',
  'credentials',
  'access',
  'not-found',
  'capacity',
  'integrity',
  'aborted',
  'internal',
] as const satisfies readonly ('ok' | FailureClass)[];

interface Operation {
  readonly service: RequestService;
  readonly operation: string;
  readonly results: Map<string, number>;
  readonly observe: (seconds: number) => void;
}

/** Counts requests as they end. */
export class RequestMetrics {
  readonly #registry: MetricRegistry;
  readonly #operations = new Map<string, Operation>();
  readonly #retries = new Map<RequestService, Map<string, number>>();
  #mismatches = 0;

  constructor(registry: MetricRegistry) {
    this.#registry = registry;
    registry.read(() => this.#read());
  }

  readonly observe: RequestObserver = (service) => {
    this.#foresee(service);
    const known = new Map<string, Operation>();
    return {
      onAttempt: (event) => {
        const operation = known.get(event.operation) ?? this.#operation(service, event.operation);
        // What was asked with an id in it is another text each time.
        if (known.size < MAX_OPERATIONS) known.set(event.operation, operation);
        this.#count(operation, event);
      },
      onRetry: (event) => this.#retried(service, event),
    };
  };

  #foresee(service: RequestService): void {
    if (this.#retries.has(service)) return;
    const { operations, reasons } = KNOWN_REQUESTS[service];
    this.#retries.set(service, new Map(reasons.map((reason) => [reason, 0])));
    for (const name of operations) {
      const { results } = this.#operation(service, name);
      for (const result of RESULTS) results.set(result, 0);
    }
  }

  #operation(service: RequestService, text: string): Operation {
    const name = operationOf(text);
    const key = `${service} ${name}`;
    const known = this.#operations.get(key);
    if (known !== undefined) return known;
    if (this.#operations.size >= 3 * MAX_OPERATIONS && name !== 'other') return this.#operation(service, 'other');
    const labels = { service, operation: name };
    const observe = this.#registry.series('vast_ost_request_duration_seconds', labels);
    const operation: Operation = { ...labels, results: new Map(), observe };
    this.#operations.set(key, operation);
    return operation;
  }

  #count({ results, observe }: Operation, { ms, error }: AttemptEvent): void {
    const result = error === undefined ? 'ok' : failureOf(error);
    results.set(result, (results.get(result) ?? 0) + 1);
    if (result === 'integrity') this.#mismatches += 1;
    observe(ms / 1000);
  }

  #retried(service: RequestService, { error }: RetryEvent): void {
    const reasons = this.#retries.get(service) ?? new Map<string, number>();
    this.#retries.set(service, reasons.set(error.code, (reasons.get(error.code) ?? 0) + 1));
  }

  *#read(): Generator<Reading> {
    for (const { service, operation, results } of this.#operations.values()) {
      for (const [result, value] of results)
        yield { name: 'vast_ost_requests_total', labels: { service, operation, result }, value };
    }
    for (const [service, reasons] of this.#retries) {
      for (const [reason, value] of reasons)
        yield { name: 'vast_ost_retries_total', labels: { service, reason }, value };
    }
    yield { name: 'vast_ost_checksum_mismatches_total', labels: { place: 'wire' }, value: this.#mismatches };
  }
}

/** What was asked, without what it was asked about: `GET views/17/` is `GET views`, `list LSUs of` is `list LSUs`. */
function operationOf(text: string): string {
  return text.replace(/^([A-Z]+ [a-z0-9]+)\/.*$/, '$1').replace(/ (of|in)$/, '');
}
