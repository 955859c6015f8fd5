import type { Logger } from 'pino';
import { parseKey } from '../image/names.ts';
import type { RequestHooks, RequestService, RetryEvent } from '../vast/retry.ts';

export type { RequestService };

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

/** One line for a request that is repeated. It names the image that the request was for, as lines of images do. */
function logRetry({ operation, attempt, delayMs, lsu, key, error }: RetryEvent, log: Logger): void {
  const image = key === undefined ? undefined : parseKey(key)?.imageId;
  const about = { ...(lsu === undefined ? {} : { lsu }), ...(image === undefined ? {} : { image }) };
  const { code, details } = error;
  log.warn({ ...about, operation, attempt, delay_ms: delayMs, code, details }, error.message);
}
