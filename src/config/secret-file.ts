import { open } from 'node:fs/promises';
import { EngineError } from '../errors.ts';
import { parseIni } from './ini.ts';

/** Far more than keys and comments need. */
const MAX_FILE_BYTES = 65_536;
const OTHERS_MAY_READ = 0o007;

/**
 * Read a file that holds secrets: a small one that not everybody may read. Errors never repeat what the file holds.
 * @throws EngineError VOST_CREDENTIALS (`credentials`)
 */
export async function readSecretFile(path: string): Promise<string> {
  return (await readSecretBytes(path)).toString('utf8');
}

/** As {@link readSecretFile}, for secrets that are no text. */
export async function readSecretBytes(path: string): Promise<Buffer> {
  try {
    await using file = await open(path, 'r');
    const { mode, size } = await file.stat();
    if ((mode & OTHERS_MAY_READ) !== 0) throw badSecretFile(path, 'is readable by everybody', 'chmod 0600 it');
    if (size > MAX_FILE_BYTES) throw badSecretFile(path, 'is too large to be one');
    return await file.readFile();
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw badSecretFile(path, `cannot be read: ${(error as Error).message}`);
  }
}

/** The `key = value` lines of such a file. */
export async function readSecretValues(path: string): Promise<ReadonlyMap<string, string>> {
  const text = await readSecretFile(path);
  try {
    return new Map(parseIni(text, path).map(({ key, value }) => [key, value]));
  } catch {
    throw badSecretFile(path, 'is malformed');
  }
}

export function badSecretFile(path: string, what: string, advice?: string): EngineError {
  return new EngineError('VOST_CREDENTIALS', 'credentials', `the credentials file ${path} ${what}`, {
    ...(advice === undefined ? {} : { advice }),
  });
}
