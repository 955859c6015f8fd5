import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EngineError } from '../errors.ts';

/**
 * Replace a file that holds secrets: whoever reads sees the old one or the new one, and after a crash one of them is there. Only its
 * owner may read it; an older file's owner is kept, so that root can write what the engine reads.
 * @throws EngineError VOST_CREDENTIALS_WRITE (`access`)
 */
export async function writeSecretFile(path: string, values: Readonly<Record<string, string>>): Promise<void> {
  const text = Object.entries(values)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('');
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    {
      await using file = await open(temporary, 'wx', 0o600);
      await file.writeFile(text);
      await keepOwner(file, path);
      await file.sync();
    }
    await rename(temporary, path);
    await using folder = await open(dirname(path), 'r');
    await folder.sync();
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new EngineError('VOST_CREDENTIALS_WRITE', 'access', `cannot write the credentials file ${path}`, {
      cause: error,
      advice: 'its folder must exist and be writable by whoever makes or rotates keys',
    });
  }
}

/** As the old file, else as the folder: /var/lib/vast-ost belongs to the engine's user. */
async function keepOwner(file: Awaited<ReturnType<typeof open>>, path: string): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  await using like = await open(path, 'r').catch(() => open(dirname(path), 'r'));
  const { uid, gid } = await like.stat();
  await file.chown(uid, gid);
}
