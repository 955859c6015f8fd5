import type { EngineError } from '../../errors.ts';
import { isBusy } from '../flow/flow-control.ts';
import type { Outcome } from '../vip-pool/vip.ts';

/** What the failure of a request says about the VIP that it went to. */
export function outcomeOf(error: EngineError): Outcome {
  const { httpStatus, socketCode } = error.details;
  const status = typeof httpStatus === 'number' ? httpStatus : undefined;
  const code = typeof socketCode === 'string' ? socketCode : status === undefined ? error.code : `HTTP ${status}`;
  switch (error.failure) {
    case 'retryable':
      // Without a status there was no answer; with a good one it was cut off.
      if (status === undefined || status < 300) return { kind: 'network', code };
      if (isBusy(error)) return { kind: 'throttle', code };
      return status >= 500 ? { kind: 'server', code } : { kind: 'ok' };
    case 'integrity':
      return { kind: 'network', code: error.code };
    case 'internal':
    case 'aborted':
      return { kind: 'unknown' };
    default:
      return error.code === 'VOST_TLS_TRUST' ? { kind: 'trust', code } : { kind: 'ok' };
  }
}
