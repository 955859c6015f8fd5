import { stat } from 'node:fs/promises';
import type { Logger } from 'pino';
import { readKeyInFile } from '../config/credentials-file.ts';
import { managedKeysFile, rotationFile } from '../config/managed-files.ts';
import type { Settings } from '../config/settings.ts';
import { EngineError, type FailureClass, failureOf } from '../errors.ts';
import { type BucketOwner, bucketOwnerOf } from '../vast/provision/bucket-owner.ts';
import { accessKeys } from '../vast/rotation/access-keys.ts';
import { makeFirst } from '../vast/rotation/first-secret.ts';
import { fileJournal } from '../vast/rotation/journal.ts';
import type { VmsClient } from '../vast/vms/client.ts';
import type { ViewRow } from '../vast/vms/rows.ts';
import { writeFoundKeys } from './rotations.ts';

/** Keys that could not be made are not tried again for so long: 64 images must not become 64 tries. */
const REFUSED_MS = 30_000;
/** What an administrator has to change; to a host all of it means that it may not. */
const REFUSALS: readonly FailureClass[] = ['access', 'not-found', 'capacity', 'usage', 'exists', 'unsupported'];

export interface FoundKeysOptions {
  /** The storage server's name, which has no section. */
  readonly id: string;
  readonly settings: Pick<Settings, 'engine'>;
  readonly client: VmsClient;
  /** The cluster's views, from memory. */
  readonly views: () => Promise<readonly ViewRow[]>;
  /** Name of the VMS user, now. */
  readonly user: () => string;
  readonly log: Logger;
  readonly now?: () => number;
}

/**
 * The S3 keys of a server that was found by its name: made when its data is first asked for, never for a poll, and kept where a section's
 * would be.
 */
export class FoundKeys {
  readonly #options: FoundKeysOptions;
  readonly #path: string;
  readonly #now: () => number;
  #making: Promise<void> | undefined;
  #refused: { readonly error: EngineError; readonly at: number } | undefined;

  constructor(options: FoundKeysOptions) {
    this.#options = options;
    this.#path = managedKeysFile(options.id, options.settings);
    this.#now = options.now ?? (() => performance.now());
  }

  /** Whether there are keys. */
  present(): Promise<boolean> {
    return stat(this.#path).then(
      () => true,
      () => false,
    );
  }

  /** The buckets that keys would be made for. Throws as {@link ensure}. */
  async buckets(): Promise<readonly string[]> {
    return this.#owner(await this.#options.views())?.buckets ?? [];
  }

  /**
   * See to it that there are keys; callers at the same time share the work.
   * @throws EngineError VOST_BUCKET_OWNER, VOST_FOUND_KEYS (`access`): somebody has to change something; else what the cluster did
   */
  async ensure(): Promise<void> {
    if (await this.present()) return;
    const refused = this.#refused;
    if (refused !== undefined && this.#now() - refused.at < REFUSED_MS) throw refused.error;
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined;
    });
    await this.#making;
  }

  async #make(): Promise<void> {
    const { id, settings, client, log } = this.#options;
    let whose = '';
    try {
      const owner = this.#owner(await client.views.list());
      if (owner === undefined) throw this.#refusal('the VMS user sees no S3 bucket there');
      const { user, tenantId: tenant } = owner;
      whose = ` (user ${user})`;
      const rotated = accessKeys({
        client,
        user: async () => user,
        tenant,
        current: async () => (await readKeyInFile(this.#path))?.accessKeyId,
        save: (key) => writeFoundKeys(this.#path, user, key),
      });
      await makeFirst(rotated, fileJournal(rotationFile(id, 'keys', settings)));
      this.#refused = undefined;
      log.info({ user }, 'S3 keys were made, for a server without a section');
    } catch (error) {
      if (!(error instanceof EngineError) || !REFUSALS.includes(failureOf(error))) throw error;
      const told = ['VOST_BUCKET_OWNER', 'VOST_FOUND_KEYS', 'VOST_CREDENTIALS_WRITE'].includes(error.code)
        ? error
        : this.#refusal(`${error.message}${whose}`, error);
      this.#refused = { error: told, at: this.#now() };
      log.error({ err: told }, 'no S3 keys could be made');
      throw told;
    }
  }

  #owner(views: readonly ViewRow[]): BucketOwner | undefined {
    return bucketOwnerOf(this.#options.id, this.#options.user(), views);
  }

  #refusal(why: string, cause?: EngineError): EngineError {
    const { id } = this.#options;
    return new EngineError('VOST_FOUND_KEYS', 'access', `no S3 keys for ${id}: ${why}`, {
      ...(cause === undefined ? {} : { cause }),
      advice: `write access_key_id and secret_access_key into ${this.#path} (mode 0600), or give the VMS user the rights that docs/vast.md lists for servers without a section`,
    });
  }
}
