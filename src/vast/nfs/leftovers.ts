/** Temporary files that no object came of: a put or an upload's last step was cut short. */
import { EngineError } from '../../errors.ts';
import { isKey } from '../names.ts';
import type { Leftover } from '../store.ts';
import { type Entry, type Kind, objectOrFolder, persist, readEntries, statAll, type WalkOptions } from './list.ts';
import { pruneFolder } from './remove.ts';
import { isUploadId, readHeader, SIDECAR_SUFFIX } from './sidecar.ts';
import { removeFile, TEMPORARY_PREFIX } from './temporary.ts';
import { findFolder, type LsuPlace, splitKey } from './walk.ts';

/** The id in the name of a temporary file, undefined for other names. */
function idOf(name: string): string | undefined {
  if (!name.startsWith(TEMPORARY_PREFIX)) return undefined;
  const id = name.slice(TEMPORARY_PREFIX.length);
  const bare = id.endsWith(SIDECAR_SUFFIX) ? id.slice(0, -SIDECAR_SUFFIX.length) : id;
  return isUploadId(bare) ? bare : undefined;
}

/** Temporary files below `folder` that belong to no upload which listing uploads would tell. */
export async function* listLeftovers(
  place: LsuPlace,
  options: WalkOptions,
  folder: readonly string[] = [],
): AsyncGenerator<Leftover, undefined> {
  const base = folder.map((name) => `${name}/`).join('');
  const wanted = (kind: Kind): Entry | undefined => {
    if (kind.isFile() && idOf(kind.name) !== undefined) return kind.name;
    const entry = objectOrFolder(kind);
    return entry?.endsWith('/') && isKey(base + entry.slice(0, -1)) ? entry : undefined;
  };
  for await (const batch of readEntries(place, folder, wanted, options)) {
    const names = await persist(options, () => ownerless(place, folder, batch));
    const stats = await persist(options, () => statAll(place, folder, names));
    for (const [at, name] of names.entries()) {
      const stat = stats[at];
      if (stat?.isFile())
        yield { name: base + name, size: Number(stat.size), modified: Number(stat.mtimeNs / 1_000_000n) };
    }
    for (const entry of batch)
      if (entry.endsWith('/')) yield* listLeftovers(place, options, [...folder, entry.slice(0, -1)]);
  }
}

/** The files among `entries` without an upload. A record that outlived its data, or was torn before its first line ended, is of none. */
async function ownerless(place: LsuPlace, folder: readonly string[], entries: readonly Entry[]): Promise<string[]> {
  const files = entries.filter((entry) => !entry.endsWith('/'));
  const found = files.length === 0 ? undefined : await findFolder(place, folder);
  if (found === undefined) return [];
  await using dir = found;
  const names: string[] = [];
  for (const name of files) {
    if ((await readHeader(dir, idOf(name) ?? '')) === undefined) names.push(name);
  }
  return names;
}

/** Remove a temporary file, and its folder when that is empty then. Throws `usage` (VOST_BAD_KEY) for any other name. */
export async function removeLeftover(place: LsuPlace, name: string): Promise<void> {
  const { folder, name: file } = splitKey(name);
  if (idOf(file) === undefined || (folder.length > 0 && !isKey(folder.join('/')))) {
    const message = `not the name of a temporary file: ${JSON.stringify(name.slice(0, 200))}`;
    throw new EngineError('VOST_BAD_KEY', 'usage', message);
  }
  const found = await findFolder(place, folder);
  if (found === undefined) return;
  {
    await using dir = found;
    await removeFile(dir, file);
    await dir.sync();
  }
  await pruneFolder(place, folder).catch(() => undefined);
}
