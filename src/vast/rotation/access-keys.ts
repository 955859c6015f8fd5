import { EngineError } from '../../errors.ts';
import type { RequestOptions } from '../store.ts';
import type { NewKey, VmsClient } from '../vms/client.ts';
import type { UserRow } from '../vms/rows.ts';
import type { Rotated } from './rotation.ts';

export interface AccessKeyOptions {
  readonly client: VmsClient;
  /** Name of the user whose keys they are. */
  readonly user: () => Promise<string>;
  /** Name or number of the tenant of the first key; later ones go to the same. */
  readonly tenant: string | number | undefined;
  /** Id of the key in the credentials file; undefined when there is none. */
  readonly current: () => Promise<string | undefined>;
  /** Replace the credentials file. */
  readonly save: (key: NewKey) => Promise<void>;
}

/** The S3 keys of a user, of which VAST allows two. */
export function accessKeys({ client, user, tenant, current, save }: AccessKeyOptions): Rotated {
  const find = async (options: RequestOptions): Promise<UserRow> => {
    const wanted = await user();
    const row = (await client.users.list(options)).find(({ name }) => name === wanted);
    if (row !== undefined) return client.users.get(row.id, options);
    throw new EngineError(
      'VOST_ROTATION',
      'not-found',
      `${client.origin} has no local user ${wanted} to make keys for`,
    );
  };
  return {
    most: 2,
    current,
    existing: async (options) => ((await find(options)).access_keys ?? []).map(({ access_key }) => access_key),
    make: async (options) => {
      const { id, access_keys } = await find(options);
      const used = await current();
      // A key belongs to one tenant; the new one to the same.
      const before = access_keys?.find(({ access_key }) => access_key === used)?.tenant_id;
      const key = await client.createAccessKey(id, before ?? (await tenantId(client, tenant, options)), options);
      return { id: key.accessKeyId, save: () => save(key) };
    },
    remove: async (id, options) => client.removeAccessKey((await find(options)).id, id, options),
  };
}

async function tenantId(
  client: VmsClient,
  name: string | number | undefined,
  options: RequestOptions,
): Promise<number | undefined> {
  if (typeof name !== 'string') return name;
  return (await client.tenants.list(options)).find((row) => row.name === name)?.id;
}
