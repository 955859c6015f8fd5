import type { EventLog } from '../faults/event-log.ts';
import type { FaultBoard } from '../faults/fault-board.ts';
import { s3Error } from '../s3/s3-error.ts';
import type { Caller } from '../s3/settings.ts';
import type { Bucket } from '../s3/state/bucket.ts';
import type { BucketSpace } from '../s3/state/bucket-space.ts';
import { BUCKET_NAME, type SimState } from '../s3/state/sim-state.ts';
import { expandRanges } from './addresses.ts';
import type { ClusterState } from './cluster-state.ts';
import type { FileSystem } from './file-system.ts';
import { exceededQuota, type QuotaServices } from './quota-usage.ts';
import type { AccessKey, User, View } from './records.ts';
import { addBucketView } from './seed.ts';

/** What the data path is served with. */
export interface SpaceServices extends QuotaServices {
  readonly state: ClusterState;
  readonly files: FileSystem;
  readonly faults: FaultBoard;
  readonly buckets: SimState;
  readonly log: EventLog;
}

/** The S3 buckets of a cluster, as the owner of an access key sees them: the S3 views of the key's tenant. */
export class ClusterSpace implements BucketSpace {
  readonly #services: SpaceServices;
  readonly #key: AccessKey;
  readonly #user: User;

  private constructor(services: SpaceServices, key: AccessKey, user: User) {
    this.#services = services;
    this.#key = key;
    this.#user = user;
  }

  /** Throws AccessDenied when the address is another tenant's VIP. */
  static of(services: SpaceServices, { accessKey, address }: Caller): ClusterSpace {
    const { state } = services;
    const key = state.keys.find((each) => each.access_key === accessKey);
    const user = state.users.get(key?.user_id);
    if (key === undefined || user === undefined) throw s3Error('InvalidAccessKeyId');
    const pool = state.vipPools.find((each) => expandRanges(each.ip_ranges).includes(address));
    if (pool !== undefined && pool.tenant_id !== null && pool.tenant_id !== key.tenant_id)
      throw s3Error('AccessDenied');
    return new ClusterSpace(services, key, user);
  }

  get blobs() {
    return this.#services.buckets.blobs;
  }

  buckets(): { name: string; created: number }[] {
    return this.#services.state.views
      .all()
      .filter((view) => view.protocols.includes('S3') && this.#mayUse(view))
      .map((view) => ({ name: view.bucket, created: Date.parse(view.created) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  bucket(name: string): Bucket {
    const { files } = this.#services;
    const { tenant_id, path } = this.#view(name);
    const directory = files.directory(tenant_id, path);
    if (directory === undefined) throw s3Error('NoSuchBucket');
    return files.bucket(directory);
  }

  /** The bucket's view lands at `/`, with the default policy for S3. */
  createBucket(name: string, created: number): void {
    const { state, files } = this.#services;
    if (!BUCKET_NAME.test(name)) throw s3Error('InvalidBucketName');
    if (!this.#user.s3_superuser && !this.#user.allow_create_bucket) throw s3Error('AccessDenied');
    const taken = state.views.find((view) => view.bucket === name);
    if (taken !== undefined) throw s3Error(this.#mayUse(taken) ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists');
    const path = `/${name}`;
    files.ensure(this.#key.tenant_id, path);
    addBucketView(state, {
      bucket: name,
      path,
      tenantId: this.#key.tenant_id,
      owner: this.#user.name,
      created: new Date(created).toISOString(),
    });
    state.commit();
  }

  deleteBucket(name: string, { contents = false } = {}): void {
    const { state, files } = this.#services;
    const view = this.#view(name);
    if (!this.#user.s3_superuser && !this.#user.allow_delete_bucket) throw s3Error('AccessDenied');
    if (!contents && this.bucket(name).objects.size > 0) throw s3Error('BucketNotEmpty');
    state.views.remove(view.id);
    files.remove(view.tenant_id, view.path);
    state.commit();
  }

  checkRoom(name: string, bytes: number, objects: number): void {
    const { tenant_id, path } = this.#view(name);
    const quota = exceededQuota(this.#services, { tenantId: tenant_id, path }, bytes, objects);
    if (quota === undefined) return;
    this.#services.log.add('s3', 'quota-full', { bucket: name, quota: quota.path, bytes, objects });
    const full = this.#services.faults.modes.quotaFull;
    throw s3Error(full === '507' ? 'InsufficientCapacity' : 'QuotaExceeded', `The quota of ${quota.path} is used up.`);
  }

  /** Names are unique in the whole cluster, so a view of another tenant is a matter of permission. */
  #view(name: string): View {
    const view = this.#services.state.views.find((each) => each.bucket === name && each.protocols.includes('S3'));
    if (view === undefined) throw s3Error('NoSuchBucket');
    if (!this.#mayUse(view)) throw s3Error('AccessDenied');
    return view;
  }

  #mayUse({ tenant_id, bucket_owner }: View): boolean {
    if (tenant_id !== this.#key.tenant_id) return false;
    return bucket_owner === this.#user.name || this.#user.s3_superuser;
  }
}
