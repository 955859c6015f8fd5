import type { ServerSettings, Settings } from '../config/settings.ts';
import { ownName, type Wanted, type WantedLsu } from '../vast/provision/wanted.ts';

/** What the configuration wants of a storage server's cluster. */
export function wantedOf(id: string, settings: Settings, server: ServerSettings): Wanted {
  const sections = [...settings.lsus.keys()]
    .filter((key) => key.startsWith(`${id}/`))
    .map((key) => key.slice(id.length + 1));
  const names = [...new Set([...(server.lsus ?? []), ...sections])].sort();
  return {
    server: id,
    data: server.data ?? (server.store.startsWith('file:') ? 'nfs' : 's3'),
    tenant: server.tenant,
    policy: server.view_policy,
    user: server.s3_user ?? ownName(id),
    viewPath: server.view_path,
    nfsClients: server.nfs_clients ?? [],
    abortUploadsDays: server.abort_uploads_days,
    lsus: names.map((name) => wantedLsu(name, server, settings.lsus.get(`${id}/${name}`))),
  };
}

function wantedLsu(name: string, server: ServerSettings, own: ReturnType<Settings['lsus']['get']>): WantedLsu {
  const path = own?.path ?? `${server.view_path}/${name}`;
  if (own === undefined) return { name, path, versioning: false };
  const { quota, soft_quota: softQuota, versioning, object_lock: lock } = own;
  return {
    name,
    path,
    quota,
    softQuota,
    versioning,
    ...(lock === 'none'
      ? {}
      : {
          lock: {
            mode: lock === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE',
            defaultRetention: own.default_retention,
            minRetention: own.min_retention,
            maxRetention: own.max_retention,
          },
        }),
  };
}
