import t from 'tap';
import { EngineError, type FailureClass } from '../../src/errors.ts';
import { resultOf } from '../../src/ost/results.ts';
import { s3Error } from '../../src/vast/s3/classify.ts';

/** An answer of an S3 service as its SDK reports it. */
const answer = (status: number, name = '') =>
  s3Error({ name, message: 'm', $metadata: { httpStatusCode: status } }, 'x');
const broken = (code: string) => s3Error(Object.assign(new Error('socket'), { code }), 'x');

t.test('what the storage answered, as a result', async (t) => {
  t.equal(resultOf(answer(404)), 'NOT_FOUND');
  t.equal(resultOf(answer(404, 'NoSuchBucket')), 'NOT_FOUND');
  t.equal(resultOf(answer(401)), 'AUTH');
  t.equal(resultOf(answer(403, 'SignatureDoesNotMatch')), 'AUTH');
  t.equal(resultOf(answer(403)), 'ACCESS');
  t.equal(resultOf(answer(409)), 'BUSY');
  t.equal(resultOf(answer(423)), 'BUSY');
  for (const status of [429, 500, 502, 503, 504]) t.equal(resultOf(answer(status)), 'AGAIN', `HTTP ${status}`);
  t.equal(resultOf(answer(507)), 'NO_SPACE');
  t.equal(resultOf(answer(403, 'QuotaExceeded')), 'NO_SPACE');
  t.equal(resultOf(answer(501)), 'UNSUPPORTED');
});

t.test('nobody there is a matter of the network', async (t) => {
  for (const code of [
    'ECONNREFUSED',
    'ECONNRESET',
    'EPIPE',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENOTFOUND',
    'UND_ERR_SOCKET',
  ]) {
    t.equal(resultOf(broken(code)), 'NETWORK', code);
  }
  const wrapped = new EngineError('VOST_X', 'retryable', 'gave up', { cause: broken('ECONNREFUSED') });
  t.equal(resultOf(wrapped), 'NETWORK', 'below another error');
  const loop = new EngineError('VOST_X', 'retryable', 'loop');
  loop.cause = loop;
  t.equal(resultOf(loop), 'AGAIN');
});

t.test('every failure class has its result', async (t) => {
  const wanted: Record<FailureClass, string> = {
    retryable: 'AGAIN',
    credentials: 'AUTH',
    access: 'ACCESS',
    'not-found': 'NOT_FOUND',
    exists: 'EXISTS',
    busy: 'BUSY',
    capacity: 'NO_SPACE',
    integrity: 'INTEGRITY',
    usage: 'INVALID',
    unsupported: 'UNSUPPORTED',
    aborted: 'ABORTED',
    internal: 'INTERNAL',
  };
  for (const [failure, result] of Object.entries(wanted)) {
    t.equal(resultOf(new EngineError('VOST_ANY', failure as FailureClass, 'm')), result, failure);
  }
  t.equal(resultOf(new EngineError('VOST_LIMIT', 'capacity', 'm')), 'LIMIT');
  t.equal(resultOf(new EngineError('VOST_IMAGE_COMPLETE', 'access', 'm')), 'READ_ONLY');
  t.equal(resultOf(new EngineError('VOST_TIMEOUT', 'retryable', 'm')), 'TIMEOUT');
  t.equal(resultOf(Object.assign(new Error('m'), { code: 'ENOMEM' })), 'NO_MEMORY');
  t.equal(resultOf(Object.assign(new Error('m'), { code: 'EIO' })), 'SYSTEM');
  t.equal(resultOf('rubbish'), 'INTERNAL');
});
