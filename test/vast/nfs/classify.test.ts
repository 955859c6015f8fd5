import t from 'tap';
import { EngineError } from '../../../src/errors.ts';
import { errnoOf, fileError } from '../../../src/vast/nfs/classify.ts';
import { refusal } from '../../support/refusal.ts';

const system = (code: string): Error =>
  Object.assign(new Error(`${code}: words`), { code, syscall: 'write', path: '/backup/x' });

t.test('every system error has its class', async (t) => {
  const table = {
    capacity: ['ENOSPC', 'EDQUOT', 'EFBIG'],
    access: ['EACCES', 'EPERM', 'EROFS', 'ELOOP'],
    'not-found': ['ENOENT'],
    exists: ['EEXIST'],
    usage: ['EISDIR', 'ENOTDIR', 'ENOTEMPTY'],
    retryable: ['ESTALE', 'ETIMEDOUT', 'EIO', 'EAGAIN', 'EINTR', 'EBUSY', 'EMFILE', 'ENFILE', 'EHOSTDOWN', 'ENOTCONN'],
    internal: ['EINVAL', 'EBADF', 'EXYZ'],
  };
  for (const [failure, codes] of Object.entries(table)) {
    for (const code of codes) {
      t.match(fileError(system(code), 'put lsu/x'), {
        failure,
        message: `put lsu/x: ${code}: words`,
        details: { errno: code, syscall: 'write', path: '/backup/x' },
      });
    }
  }
});

t.test('numbers that libuv has no name for', async (t) => {
  const unknown = (errno: number): Error =>
    Object.assign(new Error('words'), { code: `Unknown system error ${errno}`, errno });
  t.match(fileError(unknown(-116), 'x'), refusal('retryable', { details: { errno: 'ESTALE' } }));
  t.match(fileError(unknown(-122), 'x'), refusal('capacity', { details: { errno: 'EDQUOT' } }));
  t.match(fileError(unknown(-9999), 'x'), refusal('internal'));
});

t.test('other errors', async (t) => {
  const own = new EngineError('VOST_TEST', 'busy', 'mine');
  t.equal(fileError(own, 'x'), own);
  t.match(fileError(new TypeError('bug'), 'x'), refusal('internal', { code: 'VOST_IO' }));
  t.match(fileError('text', 'x'), refusal('internal'));
  t.equal(errnoOf(undefined), '');
});
