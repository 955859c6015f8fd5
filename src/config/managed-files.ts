import { join } from 'node:path';
import type { ServerSettings, Settings } from './settings.ts';

/**
 * The file with the S3 keys of a storage server. With `vms` and without a file of the administrator's own it is ours: provisioning
 * writes it and rotation replaces it. Undefined where AWS' own ways of finding keys apply.
 */
export function keysFileOf(id: string, settings: Settings, server: Partial<ServerSettings>): string | undefined {
  return server.s3_credentials_file ?? (server.vms === undefined ? undefined : managedKeysFile(id, settings));
}

/** Where keys that we made are kept. */
export function managedKeysFile(id: string, { engine }: Pick<Settings, 'engine'>): string {
  return join(engine.state_dir, `s3-${id}.credentials`);
}

/** What provisioning made. */
export function provisionedFile(id: string, { engine }: Pick<Settings, 'engine'>): string {
  return join(engine.state_dir, `provisioned-${id}.json`);
}

/** What a rotation is in the middle of. */
export function rotationFile(id: string, what: 'keys' | 'token', { engine }: Pick<Settings, 'engine'>): string {
  return join(engine.state_dir, `rotation-${what}-${id}.json`);
}
