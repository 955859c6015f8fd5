import t from 'tap';
import { type BucketOwner, bucketOwnerOf } from '../../../src/vast/provision/bucket-owner.ts';
import type { ViewRow } from '../../../src/vast/vms/rows.ts';
import { refusal } from '../../support/refusal.ts';

let id = 0;
function view(bucket: string, bucket_owner: string, more: Partial<ViewRow> = {}): ViewRow {
  id += 1;
  return { id, path: `/${bucket}`, protocols: ['S3'], bucket, bucket_owner, tenant_id: 1, ...more };
}
const owner = (views: ViewRow[]): BucketOwner | undefined => bucketOwnerOf('vms.site', 'nbu', views);

t.test('whose buckets they are', async (t) => {
  const strange = view('logs', 'app');
  const made = view('lsu-2', 'vast-ost-prod');
  const named = view('lsu-3', 'nbu');
  const own = [view('lsu-b', 'vast-ost-vms.site'), view('lsu-a', 'vast-ost-vms.site')];
  t.equal(owner([]), undefined);
  t.match(owner([strange]), { user: 'app', tenantId: 1, buckets: ['logs'] }, 'the only one');
  t.match(owner([strange, made]), { user: 'vast-ost-prod' }, 'the one that provisioning made');
  t.match(owner([strange, made, named]), { user: 'nbu' }, 'the one called as the login');
  const all = owner([strange, made, named, ...own]);
  t.same(all, { user: 'vast-ost-vms.site', tenantId: 1, buckets: ['lsu-a', 'lsu-b'] }, 'the one of this name');
});

t.test('several are nobody’s guess', async (t) => {
  const wrong = refusal('access', { code: 'VOST_BUCKET_OWNER', message: /\(tenant 1\)/, advice: /s3_user/ });
  t.throws(() => owner([view('one', 'a'), view('two', 'b')]), wrong);
  t.throws(() => owner([view('one', 'vast-ost-a'), view('two', 'vast-ost-b'), view('six', 'c')]), wrong);
  t.throws(() => owner([view('one', 'nbu'), view('two', 'nbu', { tenant_id: 2 })]), wrong, 'one name in two tenants');
});

t.test('what is no bucket for us', async (t) => {
  const nobody = [
    view('dir', 'nfs-user', { protocols: ['NFS'] }),
    view('', 'no-bucket'),
    view('Bad_Name', 'bad'),
    view('free', ''),
    view('old', 'nulls', { protocols: null }),
  ];
  t.equal(owner(nobody), undefined);
  t.same(owner([...nobody, view('lsu', 'app', { tenant_id: null })]), {
    user: 'app',
    tenantId: undefined,
    buckets: ['lsu'],
  });
});
