import type { Settings } from './settings.ts';
import type { StageEntry } from './stage-fields.ts';

type Lists = Pick<Settings, 'general' | 'servers' | 'lsus' | 'policies'>;

/** Every list of stages that is given. */
export function stageLists({ general, servers, lsus, policies }: Lists): (readonly StageEntry[])[] {
  const sections = [general, ...servers.values(), ...lsus.values(), ...policies.values()];
  return sections.flatMap(({ stages }) => (stages === undefined ? [] : [stages]));
}

/** The stages of a policy's images in an LSU: as the policy's section says, else the LSU's, else its server's, else `[general]`. */
export function stageListOf(
  { general, servers, lsus, policies }: Lists,
  { server, lsu, policy }: { readonly server: string; readonly lsu: string; readonly policy: string },
): readonly StageEntry[] {
  const lists = [policies.get(policy), lsus.get(`${server}/${lsu}`), servers.get(server), general];
  return lists.find((section) => section?.stages !== undefined)?.stages ?? [];
}

/** Every mention of a stage, those first whose options count first. */
export function stageEntries(settings: Settings): StageEntry[] {
  const sections = [...settings.stages].map(([spec, options]) => ({ spec, options }));
  return [...sections, ...stageLists(settings).flat(), ...(settings.general.read_stages ?? [])];
}
