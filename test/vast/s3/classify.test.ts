import t from 'tap';
import { EngineError } from '../../../src/errors.ts';
import { s3CodeOf, s3Error } from '../../../src/vast/s3/classify.ts';

function failed(name: string, status?: number, more: object = {}): EngineError {
  const $metadata = status === undefined ? undefined : { httpStatusCode: status, requestId: 'r1' };
  return s3Error(Object.assign(new Error('words'), { name, $metadata }, more), 'put lsu/k');
}

t.test('the code decides, then the status', async (t) => {
  const table: [string, number, string][] = [
    ['SlowDown', 503, 'retryable'],
    ['InternalError', 500, 'retryable'],
    ['RequestTimeout', 400, 'retryable'],
    ['OperationAborted', 409, 'retryable'],
    ['ExpiredToken', 400, 'credentials'],
    ['InvalidAccessKeyId', 403, 'credentials'],
    ['RequestTimeTooSkewed', 403, 'credentials'],
    ['AccessDenied', 403, 'access'],
    ['UserSuspended', 403, 'access'],
    ['QuotaExceeded', 403, 'capacity'],
    ['InsufficientCapacity', 507, 'capacity'],
    ['EntityTooLarge', 400, 'capacity'],
    ['NoSuchKey', 404, 'not-found'],
    ['NoSuchUpload', 404, 'not-found'],
    ['BucketAlreadyOwnedByYou', 409, 'exists'],
    ['BadDigest', 400, 'integrity'],
    ['XAmzContentSHA256Mismatch', 400, 'integrity'],
    ['InvalidPart', 400, 'usage'],
    ['NotImplemented', 501, 'unsupported'],
    ['NeverHeardOf', 400, 'usage'],
    ['NeverHeardOf', 403, 'access'],
    ['NeverHeardOf', 409, 'busy'],
    ['NeverHeardOf', 429, 'retryable'],
    ['NeverHeardOf', 500, 'retryable'],
    ['NeverHeardOf', 507, 'capacity'],
    ['NeverHeardOf', 599, 'retryable'],
    ['UnknownError', 400, 'credentials'],
    ['Error', 200, 'retryable'],
  ];
  for (const [name, status, failure] of table) t.equal(failed(name, status).failure, failure, `${name} ${status}`);
});

t.test('connections', async (t) => {
  for (const code of ['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_CONNECT_TIMEOUT', 'HPE_X']) {
    t.equal(failed('RequestTimeout', undefined, { code }).failure, 'retryable', code);
    t.equal(failed('TypeError', undefined, { cause: { code } }).failure, 'retryable', `${code} as a cause`);
  }
  t.equal(failed('Error', undefined, { code: 'CERT_HAS_EXPIRED' }).code, 'VOST_TLS_TRUST');
  t.equal(failed('Error', undefined, { code: 'SELF_SIGNED_CERT_IN_CHAIN' }).failure, 'access');
  t.equal(failed('TypeError').failure, 'internal', 'a bug is a bug');
  const round: { code?: string; cause?: unknown } = {};
  round.cause = round;
  t.equal(failed('Error', undefined, { cause: round }).failure, 'internal', 'causes that turn in a circle end');
});

t.test('what an error tells', async (t) => {
  const error = failed('SlowDown', 503);
  t.match(error, {
    code: 'VOST_STORE_UNAVAILABLE',
    message: 'put lsu/k: SlowDown (HTTP 503): words',
    details: { s3Code: 'SlowDown', httpStatus: 503, requestId: 'r1' },
  });
  t.equal(s3CodeOf(error), 'SlowDown');
  t.equal(s3CodeOf(new Error('x')), '');
  const own = new EngineError('VOST_TEST', 'busy', 'mine');
  t.equal(s3Error(own, 'put'), own, 'our own errors pass');
  t.equal(s3Error('text', 'put').failure, 'internal', 'anything can be thrown');
  t.ok(failed('SlowDown', 503, { message: 'x'.repeat(10_000) }).message.length < 500, 'messages are bounded');
});
