import type { LsuPlace } from '../vast/vms/facts.ts';
import type { ServerSettings, Settings } from './settings.ts';

/** Where the LSUs of `[server ID]` lie on its cluster: as their sections say, else below `view_path`, or in a bucket of their name. */
export function lsuPlaces(id: string, server: ServerSettings, settings: Settings): (lsu: string) => LsuPlace {
  const nfs = server.store.startsWith('file:');
  return (lsu) => {
    const path = settings.lsus.get(`${id}/${lsu}`)?.path;
    if (nfs || path !== undefined) return { path: path ?? `${server.view_path}/${lsu}` };
    return { bucket: lsu };
  };
}
