import { open } from 'node:fs/promises';
import { EngineError } from '../errors.ts';
import { parseIni } from './ini.ts';

/** Far more than keys and comments need. */
const MAX_FILE_BYTES = 65_536;
const OTHERS_MAY_READ = 0o007;

/** S3 keys. Never logged, never shown. */
export interface S3Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/**
 * Read a credentials file: `access_key_id = …`, `secret_access_key = …`, optionally `session_token = …`. Read anew at every call, so that
 * rotated keys are found. Errors never repeat what the file holds.
 * @throws EngineError VOST_CREDENTIALS (`credentials`)
 */
export async function readCredentialsFile(path: string): Promise<S3Keys> {
  const values = new Map<string, string>();
  try {
    await using file = await open(path, 'r');
    const { mode, size } = await file.stat();
    if ((mode & OTHERS_MAY_READ) !== 0) throw bad(path, 'is readable by everybody', 'chmod 0600 it');
    if (size > MAX_FILE_BYTES) throw bad(path, 'is too large to be one');
    for (const { key, value } of parseIni(await file.readFile('utf8'), path)) values.set(key, value);
  } catch (error) {
    if (error instanceof EngineError && error.code === 'VOST_CREDENTIALS') throw error;
    throw bad(path, error instanceof EngineError ? 'is malformed' : `cannot be read: ${(error as Error).message}`);
  }
  const [accessKeyId, secretAccessKey] = [values.get('access_key_id'), values.get('secret_access_key')];
  if (!accessKeyId || !secretAccessKey) throw bad(path, 'must set access_key_id and secret_access_key');
  const sessionToken = values.get('session_token');
  return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
}

function bad(path: string, what: string, advice?: string): EngineError {
  return new EngineError('VOST_CREDENTIALS', 'credentials', `the credentials file ${path} ${what}`, {
    ...(advice === undefined ? {} : { advice }),
  });
}
