import t from 'tap';
import { logDestination, openLog } from '../../src/cli/open-log.ts';
import { EngineError } from '../../src/errors.ts';

/** What a log writes. */
function lines() {
  const written: string[] = [];
  return { written, log: openLog('info', { write: (line: string) => void written.push(line) }) };
}

t.test('what has the name of a secret is not written, however deep it is', async (t) => {
  const { log, written } = lines();
  const secret = 'hush-hush';
  log.info({ password: secret, user: 'somebody' }, 'at the top');
  log.child({ server: { token: secret } }).info('in a child');
  const details = { sent: { authorization: secret }, secretAccessKey: secret, requestId: 'ABC' };
  const cause = Object.assign(new Error('refused'), { headers: { cookie: secret } });
  log.error({ err: new EngineError('VOST_X', 'access', 'no', { details, cause }) }, 'in an error');
  t.equal(written.length, 3);
  t.notMatch(written.join(''), secret);
  t.match(JSON.parse(written[0] ?? ''), { password: '[secret]', user: 'somebody' });
  t.match(JSON.parse(written[2] ?? ''), { err: { code: 'VOST_X', details: { requestId: 'ABC' } } });
});

t.test('a file that cannot be opened is said, with what to do', async (t) => {
  t.throws(() => logDestination('/nonexistent/folder/log', 0o600), {
    code: 'VOST_LOG_FILE',
    failure: 'usage',
    message: /\/nonexistent\/folder\/log/,
    advice: /log_file/,
  });
});
