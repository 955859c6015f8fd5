import { setTimeout } from 'node:timers/promises';
import { Reset } from './http/reset.ts';
import type { Target } from './http/target.ts';
import { keyToText } from './keys.ts';
import type { Route } from './operations/routes.ts';
import { S3Error } from './s3-error.ts';
import type { Fault, FaultHook } from './settings.ts';

export interface FaultRequest {
  readonly route: Route;
  readonly target: Target;
  readonly query: ReadonlyMap<string, string>;
  readonly requestId: string;
  readonly address: string;
  readonly signal: AbortSignal;
}

/** What remains to be done to the answer. */
export type LateFault = 'lose-answer' | { readonly truncateAfter: number } | undefined;

/** Ask the hook and do what it says at once; what concerns the answer remains for later. */
export async function injectFault(
  hook: FaultHook | undefined,
  { route, target, query, requestId, address, signal }: FaultRequest,
): Promise<LateFault> {
  if (hook === undefined) return undefined;
  const context = {
    operation: route.name,
    method: route.method,
    bucket: target.bucket,
    key: keyToText(target.key),
    query,
    requestId,
    address,
  };
  return carryOut(await unlessAborted(hook(context), signal), signal);
}

async function carryOut(fault: Fault | undefined, signal: AbortSignal): Promise<LateFault> {
  if (fault === undefined || fault === 'lose-answer') return fault;
  if (fault === 'reset') throw new Reset();
  if ('truncateAfter' in fault) return fault;
  if ('delayMs' in fault) {
    await setTimeout(fault.delayMs, undefined, { signal });
    return carryOut(fault.then, signal);
  }
  throw new S3Error(fault.code, fault.status, fault.message ?? 'Injected fault.');
}

/** A hook may wait for ever; the client, or the end of the simulator, may not have to. */
async function unlessAborted<T>(promise: T | Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
