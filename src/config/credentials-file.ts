import { stat } from 'node:fs/promises';
import { badSecretFile, readSecretValues } from './secret-file.ts';

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
  const values = await readSecretValues(path);
  const [accessKeyId, secretAccessKey] = [values.get('access_key_id'), values.get('secret_access_key')];
  if (!accessKeyId || !secretAccessKey) throw badSecretFile(path, 'must set access_key_id and secret_access_key');
  const sessionToken = values.get('session_token');
  return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
}

/** Which key a credentials file has; undefined when there is no file. */
export async function readKeyInFile(path: string): Promise<KeyInFile | undefined> {
  const there = await stat(path).catch(() => undefined);
  if (there === undefined) return undefined;
  const { accessKeyId } = await readCredentialsFile(path);
  return { accessKeyId, user: (await readSecretValues(path)).get('user') };
}

export interface KeyInFile {
  readonly accessKeyId: string;
  /** Whose key it is, in a file that the engine made for a server without a section. */
  readonly user: string | undefined;
}
