import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { readKeyInFile } from '../config/credentials-file.ts';
import { managedKeysFile, rotationFile } from '../config/managed-files.ts';
import type { ServerSettings, Settings } from '../config/settings.ts';
import { readVmsLogin } from '../config/vms-credentials-file.ts';
import { writeSecretFile } from '../config/write-secret-file.ts';
import { ownName } from '../vast/provision/wanted.ts';
import { accessKeys } from '../vast/rotation/access-keys.ts';
import { apiTokens } from '../vast/rotation/api-tokens.ts';
import { fileJournal } from '../vast/rotation/journal.ts';
import { type Rotated, Rotation } from '../vast/rotation/rotation.ts';
import type { NewKey, VmsClient } from '../vast/vms/client.ts';

/** How often is looked whether something is due; looking costs no request. */
const LOOK_MS = 900_000;
/** Everybody has a new key within ten minutes. */
const GRACE_MS = 3_600_000;
const HOUR_MS = 3_600_000;
/** As in `[server NAME]`. */
const ROTATE_HOURS = 24;
/** An engine that stands still for so long has to be given a new token by hand. */
const TOKEN_LIFE = '90d';

/** The secrets of one storage server that are ours to replace. */
export class Rotations {
  readonly #rotations: ReadonlyMap<string, Rotation>;
  readonly #log: Logger;
  readonly #failing = new Map<string, boolean>();
  readonly #end = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #running: Promise<unknown> = Promise.resolve();

  constructor(rotations: ReadonlyMap<string, Rotation>, log: Logger) {
    this.#rotations = rotations;
    this.#log = log;
    for (const what of rotations.keys()) this.#failing.set(what, false);
    this.#timer = setInterval(() => this.look(), LOOK_MS);
    this.#timer.unref();
    this.look();
  }

  /** What is replaced (`keys`, `token`), and whether the last try failed. */
  get failing(): ReadonlyMap<string, boolean> {
    return this.#failing;
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
      this.#failing.set(what, false);
      if (outcome !== 'waiting') this.#log.info({ what, outcome }, 'rotation of credentials');
    } catch (error) {
      if (this.#end.signal.aborted) return;
      this.#failing.set(what, true);
      this.#log.error({ err: error, what }, 'credentials could not be rotated');
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
    rotations.set(what, rotationOf(id, what, settings, rotated, server.rotate_hours));
  };
  if (server.rotate_hours > 0) {
    if (server.store.startsWith('s3:') && server.s3_credentials_file === undefined) {
      add('keys', keysOf(id, settings, server, client));
    }
    if (server.vms_credentials_file !== undefined) add('token', tokenOf(id, server.vms_credentials_file, client));
  }
  return new Rotations(rotations, log);
}

/** Of a server without a section: keys that the engine made itself, never those that somebody put there. */
export function rotationsOfFound(id: string, settings: Settings, client: VmsClient, log: Logger): Rotations {
  const path = managedKeysFile(id, settings);
  const user = async (): Promise<string> => (await readKeyInFile(path))?.user ?? '';
  const current = async (): Promise<string | undefined> => {
    const key = await readKeyInFile(path);
    return key?.user === undefined ? undefined : key.accessKeyId;
  };
  const save = async (key: NewKey): Promise<void> => writeFoundKeys(path, await user(), key);
  const keys = accessKeys({ client, user, tenant: undefined, current, save });
  return new Rotations(new Map([['keys', rotationOf(id, 'keys', settings, keys, ROTATE_HOURS)]]), log);
}

/** Keep a key of a server without a section. Its file also says whose it is: no setting does. */
export function writeFoundKeys(path: string, user: string, { accessKeyId, secretAccessKey }: NewKey): Promise<void> {
  return writeSecretFile(path, { user, access_key_id: accessKeyId, secret_access_key: secretAccessKey });
}

function rotationOf(
  id: string,
  what: 'keys' | 'token',
  settings: Settings,
  rotated: Rotated,
  everyHours: number,
): Rotation {
  const journal = fileJournal(rotationFile(id, what, settings));
  return new Rotation(rotated, { journal, everyMs: everyHours * HOUR_MS, graceMs: GRACE_MS });
}

function keysOf(id: string, settings: Settings, server: ServerSettings, client: VmsClient): Rotated {
  const path = managedKeysFile(id, settings);
  return accessKeys({
    client,
    user: async () => server.s3_user ?? ownName(id),
    tenant: server.tenant,
    current: async () => (await readKeyInFile(path))?.accessKeyId,
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

/** A new token that cannot be kept had better not be made. */
function isWritable(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );
}
