import { z } from 'zod';
import { EngineError, failureOf } from '../../errors.ts';
import type { RequestOptions } from '../store.ts';
import { Collection } from './collection.ts';
import { addressesOf } from './ip-ranges.ts';
import {
  ApiTokenRow,
  ClusterRow,
  EventRow,
  LifecycleRow,
  NewAccessKey,
  NewApiToken,
  PolicyRow,
  ProtectionRow,
  QuotaRow,
  SnapshotRow,
  TenantRow,
  UserRow,
  ViewRow,
  VipPoolRow,
  VipRow,
} from './rows.ts';
import { type VmsRelease, VmsSession, type VmsSessionOptions } from './session.ts';
import { Tasks } from './tasks.ts';

export type VmsClientOptions = VmsSessionOptions;

/** Sums of a path and its direct children; the shape is not documented. */
const CapacityAnswer = z.looseObject({});
const Nothing = z.unknown();

/** A key pair, the secret of which the cluster never tells again. */
export interface NewKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** The management API of one cluster, typed. What is not here we do not use. */
export class VmsClient {
  readonly #session: VmsSession;
  readonly tenants: Collection<z.output<typeof TenantRow>>;
  readonly views: Collection<z.output<typeof ViewRow>>;
  readonly policies: Collection<z.output<typeof PolicyRow>>;
  readonly users: Collection<z.output<typeof UserRow>>;
  readonly quotas: Collection<z.output<typeof QuotaRow>>;
  readonly lifecycleRules: Collection<z.output<typeof LifecycleRow>>;
  readonly snapshots: Collection<z.output<typeof SnapshotRow>>;
  readonly vipPools: Collection<z.output<typeof VipPoolRow>>;
  readonly vipRows: Collection<z.output<typeof VipRow>>;
  readonly events: Collection<z.output<typeof EventRow>>;
  readonly alarms: Collection<z.output<typeof EventRow>>;
  readonly protectionPolicies: Collection<z.output<typeof ProtectionRow>>;
  readonly protectedPaths: Collection<z.output<typeof ProtectionRow>>;
  readonly replicationStreams: Collection<z.output<typeof ProtectionRow>>;
  readonly replicationTargets: Collection<z.output<typeof ProtectionRow>>;
  readonly tasks: Tasks;
  readonly #clusters: Collection<ClusterRow>;

  /** Contacts nothing yet. @throws EngineError VOST_CA_FILE (`usage`) */
  constructor(options: VmsClientOptions) {
    const session = new VmsSession(options);
    this.#session = session;
    this.tenants = new Collection(session, 'tenants/', TenantRow, true);
    this.views = new Collection(session, 'views/', ViewRow, true);
    this.policies = new Collection(session, 'viewpolicies/', PolicyRow, true);
    this.users = new Collection(session, 'users/', UserRow, true);
    this.quotas = new Collection(session, 'quotas/', QuotaRow, true);
    this.lifecycleRules = new Collection(session, 's3lifecyclerules/', LifecycleRow, true);
    this.snapshots = new Collection(session, 'snapshots/', SnapshotRow, true);
    this.vipPools = new Collection(session, 'vippools/', VipPoolRow, false);
    this.vipRows = new Collection(session, 'vips/', VipRow, false);
    this.events = new Collection(session, 'events/', EventRow, true);
    this.alarms = new Collection(session, 'alarms/', EventRow, true);
    this.protectionPolicies = new Collection(session, 'protectionpolicies/', ProtectionRow, false);
    this.protectedPaths = new Collection(session, 'protectedpaths/', ProtectionRow, false);
    this.replicationStreams = new Collection(session, 'replicationstreams/', ProtectionRow, false);
    this.replicationTargets = new Collection(session, 'replicationtargets/', ProtectionRow, false);
    this.#clusters = new Collection(session, 'clusters/', ClusterRow, false);
    this.tasks = new Tasks(session, options.clock);
  }

  /** `https://vms.example`; for people. */
  get origin(): string {
    return this.#session.origin;
  }

  /** Requests sent so far, logins aside. */
  get calls(): number {
    return this.#session.calls;
  }

  release(options: RequestOptions = {}): Promise<VmsRelease> {
    return this.#session.release(options.signal);
  }

  /** Our own cluster, not one of its peers. */
  async cluster(options: RequestOptions = {}): Promise<ClusterRow> {
    const rows = await this.#clusters.list(options);
    const own = rows.find(({ local, loopback }) => local === true || loopback === true) ?? rows[0];
    if (own === undefined) throw new EngineError('VOST_VMS_NOT_FOUND', 'not-found', `${this.origin} names no cluster`);
    return own;
  }

  /** What the cluster knows about the use of a directory, as it comes. */
  capacity(path: string, options: RequestOptions = {}): Promise<Readonly<Record<string, unknown>>> {
    const query = { path, type: 'logical' };
    return this.#session.send({ method: 'GET', resource: 'capacity/', query, signal: options.signal }, CapacityAnswer);
  }

  /**
   * The data addresses of a pool; of all pools for data when none is named.
   * @throws EngineError `not-found` when there is no such pool; `access`: a tenant's administrator may not see pools
   */
  async vips(poolName?: string, options: RequestOptions = {}): Promise<string[]> {
    // A cluster's administrator who names a tenant is shown what the tenant's would be: no pools.
    const pools = await this.vipPools.list(options).catch((error: unknown) => {
      if (failureOf(error) !== 'access' || !this.#session.namesTenant) throw error;
      return this.vipPools.list({ ...options, anyTenant: true });
    });
    const wanted = pools.filter(({ name, role, enabled }) =>
      poolName === undefined
        ? (role ?? 'PROTOCOLS').toUpperCase() === 'PROTOCOLS' && enabled !== false
        : name === poolName,
    );
    if (wanted.length === 0) {
      const which = poolName === undefined ? 'VIP pool for data' : `VIP pool ${poolName}`;
      throw new EngineError('VOST_VMS_NOT_FOUND', 'not-found', `${this.origin} has no ${which}`);
    }
    return [...new Set(wanted.flatMap(({ ip_ranges }) => addressesOf(ip_ranges ?? [])))];
  }

  /** Make an access key for a user. Never repeated by itself: a lost answer would leave a key that nobody has. */
  async createAccessKey(userId: number, tenantId?: number, options: RequestOptions = {}): Promise<NewKey> {
    const { can } = await this.release(options);
    const body = can.s3Tenants && tenantId !== undefined ? { tenant_id: tenantId } : {};
    const call = { method: 'POST', resource: `users/${userId}/access_keys/`, body, signal: options.signal } as const;
    const { access_key: accessKeyId, secret_key: secretAccessKey } = await this.#session.send(call, NewAccessKey);
    return { accessKeyId, secretAccessKey };
  }

  /** A key that is gone already is no error. */
  async removeAccessKey(userId: number, accessKeyId: string, options: RequestOptions = {}): Promise<void> {
    const body = { access_key: accessKeyId };
    const call = { method: 'DELETE', resource: `users/${userId}/access_keys/`, body, signal: options.signal } as const;
    await this.#session.send(call, Nothing).catch(unlessGone);
  }

  /** API tokens of the user that are in force. */
  async apiTokens(owner: string, options: RequestOptions = {}): Promise<readonly { id: string; name: string }[]> {
    const Rows = z.union([z.array(ApiTokenRow), z.looseObject({ results: z.array(ApiTokenRow) })]);
    const answer = await this.#session.send({ method: 'GET', resource: 'apitokens/', signal: options.signal }, Rows);
    return (Array.isArray(answer) ? answer : answer.results)
      .filter((row) => row.owner === owner && row.revoked !== true && row.archived !== true)
      .map(({ id, name }) => ({ id: String(id), name: name ?? '' }));
  }

  /** Throws `capacity` when the user has as many as he may. @param life as VMS writes it: `30d`. */
  async createApiToken(
    owner: string,
    name: string,
    life: string,
    options: RequestOptions = {},
  ): Promise<{ readonly id: string; readonly token: string }> {
    const body = { owner, name, expiry_date: life };
    const call = { method: 'POST', resource: 'apitokens/', body, signal: options.signal } as const;
    const { id, token } = await this.#session.send(call, NewApiToken);
    return { id: String(id), token };
  }

  /** A token that is gone already is no error. */
  async revokeApiToken(id: string, options: RequestOptions = {}): Promise<void> {
    const resource = `apitokens/${encodeURIComponent(id)}/revoke`;
    await this.#session.send({ method: 'PATCH', resource, signal: options.signal }, Nothing).catch(unlessGone);
  }

  async close(): Promise<void> {
    await this.#session.close();
  }
}

function unlessGone(error: unknown): void {
  if (failureOf(error) !== 'not-found') throw error;
}
