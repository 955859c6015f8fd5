import { GetBucketVersioningCommand, GetObjectLockConfigurationCommand } from '@aws-sdk/client-s3';
import t from 'tap';
import { api, cluster, expectStatus, provision, s3 } from './support.ts';

t.test('a view with locks is a bucket with locks', async (t) => {
  const sim = await cluster(t);
  const { keys } = await provision(t, sim, 'plain');
  const client = s3(t, sim, { keys });
  const view = { path: '/nbu/locked', policy_id: 2, protocols: ['S3'], bucket: 'locked', bucket_owner: 'u-plain' };
  const locks = { s3_versioning: true, locking: true, s3_locks_retention_mode: 'COMPLIANCE' };
  const body = { ...view, ...locks, default_retention_period: '36h', create_dir: true };
  await expectStatus(t, api(sim, 'POST', '/views/', body), 201);
  const versioning = async (Bucket: string) => (await client.send(new GetBucketVersioningCommand({ Bucket }))).Status;
  t.equal(await versioning('plain'), undefined);
  t.equal(await versioning('locked'), 'Enabled');
  const found = await client.send(new GetObjectLockConfigurationCommand({ Bucket: 'locked' }));
  t.match(found.ObjectLockConfiguration, {
    ObjectLockEnabled: 'Enabled',
    Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 2 } },
  });
});
