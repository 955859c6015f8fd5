import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectLegalHoldCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import t, { type Test } from 'tap';
import { codeOf, sdk, sim } from './support.ts';

const Bucket = 'locked';
const DAY = 86_400_000;

async function locked(t: Test): Promise<S3Client> {
  const client = sdk(t, await sim(t));
  await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
  return client;
}

const inDays = (days: number) => new Date(Date.now() + days * DAY);

function retain(client: S3Client, Key: string, Mode: 'GOVERNANCE' | 'COMPLIANCE', days: number, bypass = false) {
  const Retention = { Mode, RetainUntilDate: inDays(days) };
  return client.send(new PutObjectRetentionCommand({ Bucket, Key, Retention, BypassGovernanceRetention: bypass }));
}

t.test('configuration', async (t) => {
  const client = await locked(t);
  const read = async () =>
    (await client.send(new GetObjectLockConfigurationCommand({ Bucket }))).ObjectLockConfiguration;
  t.strictSame(await read(), { ObjectLockEnabled: 'Enabled' });
  const Rule = { DefaultRetention: { Mode: 'GOVERNANCE', Days: 2 } } as const;
  const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled', Rule } as const;
  await client.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }));
  t.strictSame(await read(), ObjectLockConfiguration);
  await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'a' }));
  const { ObjectLockMode, ObjectLockRetainUntilDate } = await client.send(new HeadObjectCommand({ Bucket, Key: 'a' }));
  t.equal(ObjectLockMode, 'GOVERNANCE');
  t.ok(Math.abs(Number(ObjectLockRetainUntilDate) - Number(inDays(2))) < DAY, 'what the bucket gives');

  const plain = 'plain';
  await client.send(new CreateBucketCommand({ Bucket: plain }));
  const get = client.send(new GetObjectLockConfigurationCommand({ Bucket: plain }));
  t.equal(await codeOf(get), 'ObjectLockConfigurationNotFoundError');
  const set = client.send(new PutObjectLockConfigurationCommand({ Bucket: plain, ObjectLockConfiguration }));
  t.equal(await codeOf(set), 'InvalidBucketState', 'locks want versions');
  const put = { Bucket: plain, Key: 'a', Body: 'a', ObjectLockMode: 'GOVERNANCE' as const };
  t.equal(
    await codeOf(client.send(new PutObjectCommand({ ...put, ObjectLockRetainUntilDate: inDays(1) }))),
    'InvalidRequest',
  );
});

t.test('retention is extended only', async (t) => {
  const client = await locked(t);
  for (const [Key, Mode] of [
    ['g', 'GOVERNANCE'],
    ['c', 'COMPLIANCE'],
  ] as const) {
    const { VersionId = '' } = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'bytes' }));
    const get = () => client.send(new GetObjectRetentionCommand({ Bucket, Key }));
    t.equal(await codeOf(get()), 'NoSuchObjectLockConfiguration');
    t.equal(await codeOf(retain(client, Key, Mode, -1)), 'InvalidArgument', 'not into the past');
    await retain(client, Key, Mode, 2);
    await retain(client, Key, Mode, 3);
    t.equal((await get()).Retention?.Mode, Mode);
    t.equal(await codeOf(retain(client, Key, Mode, 1)), 'AccessDenied', 'not shorter');
    const version = { Bucket, Key, VersionId };
    t.equal(await codeOf(client.send(new DeleteObjectCommand(version))), 'AccessDenied');
    const bulk = new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key, VersionId }] } });
    t.match((await client.send(bulk)).Errors, [{ Code: 'AccessDenied', VersionId }]);
    const bypass = { ...version, BypassGovernanceRetention: true };
    const outcome = await codeOf(client.send(new DeleteObjectCommand(bypass)));
    t.equal(outcome, Mode === 'GOVERNANCE' ? 'none' : 'AccessDenied', 'the bypass is for governance');
  }
  t.equal(await codeOf(retain(client, 'c', 'GOVERNANCE', 9, true)), 'AccessDenied', 'not looser');
});

t.test('a lock ends with its time, by the clock of the server', async (t) => {
  let ahead = 0;
  const endpoint = await sim(t, { clock: () => Date.now() + ahead });
  const client = sdk(t, endpoint);
  await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
  const { VersionId = '' } = await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'a' }));
  await retain(client, 'a', 'COMPLIANCE', 1);
  const version = { Bucket, Key: 'a', VersionId };
  t.equal(await codeOf(client.send(new DeleteObjectCommand(version))), 'AccessDenied');
  ahead = 2 * DAY;
  const later = sdk(t, endpoint, { systemClockOffset: ahead });
  await later.send(new DeleteObjectCommand(version));
  t.equal(await codeOf(later.send(new HeadObjectCommand(version))), 'NotFound');
});

t.test('headers, uploads, legal hold', async (t) => {
  const client = await locked(t);
  const lock = { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: inDays(1) } as const;
  const half = { Bucket, Key: 'p', Body: 'p', ObjectLockMode: 'COMPLIANCE' } as const;
  t.equal(await codeOf(client.send(new PutObjectCommand(half))), 'InvalidArgument', 'a mode without a date');
  await client.send(new PutObjectCommand({ ...half, ...lock }));
  const { UploadId = '' } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'm', ...lock }));
  const { ETag } = await client.send(
    new UploadPartCommand({ Bucket, Key: 'm', UploadId, PartNumber: 1, Body: 'part' }),
  );
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
  const done = await client.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'm', UploadId, MultipartUpload }));
  for (const Key of ['p', 'm']) {
    t.match(await client.send(new HeadObjectCommand({ Bucket, Key })), lock, `the lock of ${Key}`);
  }
  t.equal(
    await codeOf(client.send(new DeleteObjectCommand({ Bucket, Key: 'm', VersionId: done.VersionId ?? '' }))),
    'AccessDenied',
  );

  const { VersionId = '' } = await client.send(new PutObjectCommand({ Bucket, Key: 'h', Body: 'h' }));
  const version = { Bucket, Key: 'h', VersionId };
  t.equal(await codeOf(client.send(new GetObjectLegalHoldCommand(version))), 'NoSuchObjectLockConfiguration');
  const hold = (Status: 'ON' | 'OFF') =>
    client.send(new PutObjectLegalHoldCommand({ ...version, LegalHold: { Status } }));
  await hold('ON');
  t.equal((await client.send(new GetObjectLegalHoldCommand(version))).LegalHold?.Status, 'ON');
  const remove = () => client.send(new DeleteObjectCommand({ ...version, BypassGovernanceRetention: true }));
  t.equal(await codeOf(remove()), 'AccessDenied');
  await hold('OFF');
  t.equal(await codeOf(remove()), 'none');
});

t.test('versions and locks outlive the process', async (t) => {
  const dir = t.testdir({});
  const first = await sim(t, { dir });
  const client = sdk(t, first);
  await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
  const ids: string[] = [];
  for (const Body of ['one', 'two'])
    ids.push((await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body }))).VersionId ?? '');
  await retain(client, 'a', 'COMPLIANCE', 1);
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'a' }));
  await first.close();
  const again = sdk(t, await sim(t, { dir }));
  const remove = (VersionId = '') => again.send(new DeleteObjectCommand({ Bucket, Key: 'a', VersionId }));
  t.equal(await codeOf(remove(ids[1])), 'AccessDenied', 'the locked version');
  t.equal(await codeOf(remove(ids[0])), 'none', 'the other one');
  t.equal(await codeOf(again.send(new HeadObjectCommand({ Bucket, Key: 'a' }))), 'NotFound', 'the marker');
});
