import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { readCredentialsFile } from '../config/credentials-file.ts';
import { managedKeysFile, rotationFile } from '../config/managed-files.ts';
import type { ServerSettings, Settings } from '../config/settings.ts';
import { readVmsLogin } from '../config/vms-credentials-file.ts';
import { writeSecretFile } from '../config/write-secret-file.ts';
import { ownName } from '../vast/provision/wanted.ts';
import { accessKeys } from '../vast/rotation/access-keys.ts';
import { apiTokens } from '../vast/rotation/api-tokens.ts';
import { fileJournal } from '../vast/rotation/journal.ts';
import { type Rotated, Rotation } from '../vast/rotation/rotation.ts';
import type { VmsClient } from '../vast/vms/client.ts';

/** How often is looked whether something is due; looking costs no request. */
const LOOK_MS = 900_000;
/** Everybody has a new key within ten minutes. */
const GRACE_MS = 3_600_000;
const HOUR_MS = 3_600_000;
/** An engine that stands still for so long has to be given a new token by hand. */
const TOKEN_LIFE = '90d';

/** The secrets of one storage server that are ours to replace. */
export class Rotations {
  readonly #rotations: ReadonlyMap<string, Rotation>;
  readonly #log: Logger;
  readonly #end = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #running: Promise<unknown> = Promise.resolve();

  constructor(rotations: ReadonlyMap<string, Rotation>, log: Logger) {
    this.#rotations = rotations;
    this.#log = log;
    this.#timer = setInterval(() => this.look(), LOOK_MS);
    this.#timer.unref();
    this.look();
  }

  /** Do what is due, without making anybody wait. */
  look(): void {
    this.#running = Promise.all([...this.#rotations].map(([what, rotation]) => this.#run(what, rotation)));
  }

  /** Resolves when what is due now is done. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** Ends what runs; the next engine goes on with it. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#end.abort();
    await this.settled();
  }

  async #run(what: string, rotation: Rotation): Promise<void> {
    try {
      const outcome = await rotation.run({ signal: this.#end.signal });
      if (outcome !== 'waiting') this.#log.info({ what, outcome }, 'rotation of credentials');
    } catch (error) {
      if (!this.#end.signal.aborted) this.#log.error({ err: error, what }, 'credentials could not be rotated');
    }
  }
}

/** The rotations of a storage server: keys that provisioning made, and an API token whose file names its user. */
export function rotationsOf(
  id: string,
  settings: Settings,
  server: ServerSettings,
  client: VmsClient,
  log: Logger,
): Rotations {
  const rotations = new Map<string, Rotation>();
  const add = (what: 'keys' | 'token', rotated: Rotated): void => {
    const journal = fileJournal(rotationFile(id, what, settings));
    rotations.set(what, new Rotation(rotated, { journal, everyMs: server.rotate_hours * HOUR_MS, graceMs: GRACE_MS }));
  };
  if (server.rotate_hours > 0) {
    if (server.store.startsWith('s3:') && server.s3_credentials_file === undefined) {
      add('keys', keysOf(id, settings, server, client));
    }
    if (server.vms_credentials_file !== undefined) add('token', tokenOf(id, server.vms_credentials_file, client));
  }
  return new Rotations(rotations, log);
}

function keysOf(id: string, settings: Settings, server: ServerSettings, client: VmsClient): Rotated {
  const path = managedKeysFile(id, settings);
  return accessKeys({
    client,
    user: server.s3_user ?? ownName(id),
    tenant: server.tenant,
    current: async () => ((await isThere(path)) ? (await readCredentialsFile(path)).accessKeyId : undefined),
    save: ({ accessKeyId, secretAccessKey }) =>
      writeSecretFile(path, { access_key_id: accessKeyId, secret_access_key: secretAccessKey }),
  });
}

function tokenOf(id: string, path: string, client: VmsClient): Rotated {
  const owner = async (): Promise<string> => (await readVmsLogin(path)).user ?? '';
  return apiTokens({
    client,
    owner,
    name: ownName(id),
    life: TOKEN_LIFE,
    current: async () => {
      const { credentials, user, tokenId = '' } = await readVmsLogin(path);
      const ours = credentials.kind === 'token' && user !== undefined && (await isWritable(dirname(path)));
      return ours ? tokenId : undefined;
    },
    save: async (made) => writeSecretFile(path, { user: await owner(), token: made.token, token_id: made.id }),
  });
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** A new token that cannot be kept had better not be made. */
function isWritable(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );
}
