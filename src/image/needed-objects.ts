import type { Manifest } from './manifest.ts';
import { INDEX, MANIFEST } from './names.ts';

/** Name of a complete image's index. */
export function indexName({ index }: Pick<Manifest, 'index'>): string {
  return index.name ?? INDEX;
}

/** Names of the objects that a complete image consists of; whatever else is in its folder may go. */
export function neededObjects(manifest: Manifest): Set<string> {
  const { fragments, metas = [] } = manifest;
  return new Set([
    MANIFEST,
    indexName(manifest),
    ...fragments.map(({ name }) => name),
    ...metas.map(({ name }) => name),
  ]);
}
