import type { Manifest } from './manifest.ts';
import { INDEX, MANIFEST } from './names.ts';

/** Names of the objects that a complete image consists of; whatever else is in its folder may go. */
export function neededObjects(manifest: Manifest): Set<string> {
  const { fragments, metas = [] } = manifest;
  return new Set([MANIFEST, INDEX, ...fragments.map(({ name }) => name), ...metas.map(({ name }) => name)]);
}
