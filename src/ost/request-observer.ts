import type { Logger } from 'pino';
import type { RequestHooks, RequestService, RetryEvent } from '../vast/retry.ts';

/** Wants to hear of the requests to services of one kind. */
export type RequestObserver = (service: RequestService) => RequestHooks;

/** Retries are logged, and the observer hears of everything. */
export function requestHooks(service: RequestService, log: Logger, observe?: RequestObserver): RequestHooks {
  const observed = observe?.(service) ?? {};
  return {
    onAttempt: observed.onAttempt,
    onRetry: (event) => {
      logRetry(event, log);
      observed.onRetry?.(event);
    },
  };
}

/** One line for a request that is repeated. */
function logRetry({ operation, attempt, delayMs, error }: RetryEvent, log: Logger): void {
  log.warn({ operation, attempt, delay_ms: delayMs, code: error.code, details: error.details }, error.message);
}
