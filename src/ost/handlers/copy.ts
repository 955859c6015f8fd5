import { invalid } from '../errors.ts';
import type { Handlers } from './handler.ts';

const MAX_WAIT_MS = 3_600_000;

export const copyHandlers: Handlers<'COPY_START' | 'COPY_WAIT' | 'COPY_CANCEL'> = {
  COPY_START: async (session, question, resend) => {
    if (question.operation === 0n) throw invalid('0 is no number for an operation');
    if (session.services.drain.draining) await session.services.drain.hold(session.signal);
    await session.copies.start(question, resend);
    return {};
  },

  COPY_WAIT: (session, { operation, timeout_ms: timeout }) =>
    session.copies.wait(operation, Math.min(timeout, MAX_WAIT_MS)),

  COPY_CANCEL: (session, { operation }) => {
    session.copies.cancel(operation);
    return {};
  },
};
