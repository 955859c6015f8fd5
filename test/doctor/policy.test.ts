import t from 'tap';
import { examinePolicy, judgePolicy } from '../../src/doctor/policy.ts';
import { EngineError } from '../../src/errors.ts';
import type { ObjectStore } from '../../src/vast/store.ts';

const policy = (...statements: object[]): string => JSON.stringify({ Version: '2012-10-17', Statement: statements });

t.test('what a policy says', async (t) => {
  const mine = { Effect: 'Allow', Principal: { AWS: ['arn:aws:iam:::user/nbu'] }, Action: 's3:*' };
  t.match(judgePolicy(policy(mine)), { verdict: 'ok', message: '1 statement(s)' });
  t.match(judgePolicy(policy(mine, { Effect: 'Deny', Principal: '*' })), { verdict: 'note', message: /1 of them/ });
  for (const everybody of ['*', { AWS: '*' }, { AWS: ['x', '*'] }]) {
    t.match(judgePolicy(policy({ Effect: 'Allow', Principal: everybody })), {
      verdict: 'warning',
      advice: /instead of/,
    });
  }
  t.match(judgePolicy(JSON.stringify({ Statement: mine })), { verdict: 'ok' }, 'one alone needs no list');
  for (const odd of ['', 'null', '[]', '{"Statement": [1, null, "x"]}']) t.ok(judgePolicy(odd).verdict);
});

t.test('where there is none, or none to see', async (t) => {
  const { signal } = new AbortController();
  const store = (answer?: () => Promise<string | undefined>) => ({ policy: answer }) as unknown as ObjectStore;
  t.equal((await examinePolicy(store(), signal)).verdict, 'skipped');
  t.equal(
    (
      await examinePolicy(
        store(async () => undefined),
        signal,
      )
    ).verdict,
    'ok',
  );
  const refused = store(async () => {
    throw new EngineError('VOST_ACCESS_DENIED', 'access', 'no');
  });
  t.equal((await examinePolicy(refused, signal)).verdict, 'skipped');
});
