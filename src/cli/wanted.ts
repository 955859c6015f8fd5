import { clusterPath, dataOf, namedLsus, serverData } from '../config/lsu-data.ts';
import type { ServerSettings, Settings } from '../config/settings.ts';
import { ownName, type Wanted, type WantedLsu } from '../vast/provision/wanted.ts';

/** What the configuration wants of a storage server's cluster. */
export function wantedOf(id: string, settings: Settings, server: ServerSettings): Wanted {
  return {
    server: id,
    data: serverData(server),
    tenant: server.tenant,
    policy: server.view_policy,
    user: server.s3_user ?? ownName(id),
    viewPath: server.view_path,
    nfsClients: server.nfs_clients ?? [],
    abortUploadsDays: server.abort_uploads_days,
    lsus: namedLsus(settings, id).map((name) => wantedLsu(id, settings, name)),
  };
}

function wantedLsu(id: string, settings: Settings, name: string): WantedLsu {
  const common = { name, path: clusterPath(settings, id, name), data: dataOf(settings, id, name) };
  const own = settings.lsus.get(`${id}/${name}`);
  if (own === undefined) return { ...common, versioning: false };
  const { quota, soft_quota: softQuota, versioning, object_lock: lock } = own;
  return {
    ...common,
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
