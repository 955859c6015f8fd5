import { EngineError } from '../../errors.ts';
import type { RequestOptions } from '../store.ts';
import type { NewKey, VmsClient } from '../vms/client.ts';
import type { UserRow } from '../vms/rows.ts';
import type { Rotated } from './rotation.ts';

export interface AccessKeyOptions {
  readonly client: VmsClient;
  /** Name of the user whose keys they are. */
  readonly user: string;
  readonly tenant: string | undefined;
  /** Id of the key in the credentials file; undefined when there is none. */
  readonly current: () => Promise<string | undefined>;
  /** Replace the credentials file. */
  readonly save: (key: NewKey) => Promise<void>;
}

/** The S3 keys of a user, of which VAST allows two. */
export function accessKeys({ client, user, tenant, current, save }: AccessKeyOptions): Rotated {
  const find = async (options: RequestOptions): Promise<UserRow> => {
    const row = (await client.users.list(options)).find(({ name }) => name === user);
    if (row !== undefined) return client.users.get(row.id, options);
    throw new EngineError(
      'VOST_ROTATION',
      'not-found',
      `${client.origin} has no user ${user} whose keys could be replaced`,
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
  name: string | undefined,
  options: RequestOptions,
): Promise<number | undefined> {
  if (name === undefined) return undefined;
  return (await client.tenants.list(options)).find((row) => row.name === name)?.id;
}
