import type { LsuPlace } from '../vast/vms/facts.ts';
import { clusterPath, dataOf } from './lsu-data.ts';
import type { Settings } from './settings.ts';

/** Where the LSUs of `[server ID]` lie on its cluster: as their sections say, else below `view_path`, or in a bucket of their name. */
export function lsuPlaces(id: string, settings: Settings): (lsu: string) => LsuPlace {
  return (lsu) => {
    const named = settings.lsus.get(`${id}/${lsu}`)?.path !== undefined;
    return named || dataOf(settings, id, lsu) === 'nfs' ? { path: clusterPath(settings, id, lsu) } : { bucket: lsu };
  };
}
