import type { Settings } from './settings.ts';
import type { StageEntry } from './stage-fields.ts';

/** The stages of an LSU: as its section says, else its server's, else `[general]`. */
export function stageListOf(
  { general, servers, lsus }: Pick<Settings, 'general' | 'servers' | 'lsus'>,
  server: string,
  lsu: string,
): readonly StageEntry[] {
  return lsus.get(`${server}/${lsu}`)?.stages ?? servers.get(server)?.stages ?? general.stages ?? [];
}

/** Every mention of a stage, those first whose options count first. */
export function stageEntries({ general, servers, lsus, stages }: Settings): StageEntry[] {
  const lists = [...servers.values(), ...lsus.values()].map((one) => one.stages ?? []);
  const sections = [...stages].map(([spec, options]) => ({ spec, options }));
  return [...sections, ...(general.stages ?? []), ...lists.flat(), ...(general.read_stages ?? [])];
}
