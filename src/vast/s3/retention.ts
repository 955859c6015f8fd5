import {
  GetObjectLegalHoldCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3';
import { EngineError, failureOf } from '../../errors.ts';
import type { RequestOptions, Retention, RetentionMode, RetentionStatus } from '../store.ts';
import { s3CodeOf } from './classify.ts';
import { protectByMd5 } from './content-md5.ts';
import type { S3Place } from './head.ts';
import { decorate } from './send.ts';
import { REMEMBER_MS, type S3Versioning } from './versioning.ts';

/** Objects locked at the same time. */
const PARALLEL = 8;
const DAY_MS = 86_400_000;
/** HTTP dates are cut to whole seconds: on average they are half of one behind. */
const HALF_SECOND_MS = 500;

interface Lock {
  /** Milliseconds since the epoch, 0 for none. */
  readonly until: number;
  readonly mode: RetentionMode;
}

/** S3 object lock: GetObjectLockConfiguration, PutObjectRetention, GetObjectRetention, GetObjectLegalHold. */
export class S3Retention implements Retention {
  readonly #place: S3Place;
  readonly #versioning: S3Versioning;
  #known: { readonly at: number; readonly status: RetentionStatus | undefined } | undefined;

  constructor(place: S3Place, versioning: S3Versioning) {
    this.#place = place;
    this.#versioning = versioning;
  }

  async status(options: RequestOptions = {}): Promise<RetentionStatus | undefined> {
    // Locks are locks of versions.
    const status = (await this.#versioning.enabled(options)) ? await this.#ask(options) : undefined;
    this.#known = { at: performance.now(), status };
    return status;
  }

  async lockedUntil(key: string, options: RequestOptions = {}): Promise<number> {
    const { at = Number.NEGATIVE_INFINITY } = this.#known ?? {};
    const status = performance.now() - at < REMEMBER_MS ? this.#known?.status : await this.status(options);
    if (status === undefined) return 0;
    return this.lockOf({ Key: key }, status.skewMs, options);
  }

  async extend(
    keys: readonly string[],
    until: number,
    mode: RetentionMode,
    options: RequestOptions = {},
  ): Promise<void> {
    const end = Math.ceil(until / 1000) * 1000;
    for (let at = 0; at < keys.length; at += PARALLEL) {
      // All are awaited, so that nothing goes on behind the caller's back.
      const work = keys.slice(at, at + PARALLEL).map((key) => this.#extendOne(key, end, mode, options));
      for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
    }
  }

  /** Of a key or one of its versions; as {@link lockedUntil}. */
  async lockOf(
    target: { readonly Key: string; readonly VersionId?: string },
    skewMs: number,
    options: RequestOptions,
  ): Promise<number> {
    const [{ until }, held] = await Promise.all([this.#retentionOf(target, options), this.#isHeld(target, options)]);
    if (held) return Number.POSITIVE_INFINITY;
    return until > Date.now() + skewMs ? until : 0;
  }

  async #ask({ signal }: RequestOptions): Promise<RetentionStatus | undefined> {
    const { sender, lsu } = this.#place;
    let skewMs = 0;
    try {
      const task = { operation: 'look for locks', lsu, signal };
      const { ObjectLockConfiguration: found } = await sender.send(task, async (client, http) => {
        const command = new GetObjectLockConfigurationCommand({ Bucket: lsu });
        const asked = Date.now();
        decorate(command, {}, (headers) => {
          const theirs = Date.parse(headers['date'] ?? '') + HALF_SECOND_MS;
          skewMs = Number.isNaN(theirs) ? 0 : theirs - (asked + Date.now()) / 2;
        });
        return client.send(command, http);
      });
      if (found?.ObjectLockEnabled !== 'Enabled') return undefined;
      const { Mode, Days = 0, Years = 0 } = found.Rule?.DefaultRetention ?? {};
      const periodMs = (Days + Years * 365) * DAY_MS;
      return { skewMs, ...(periodMs > 0 ? { byDefault: { mode: modeOf(Mode), periodMs } } : {}) };
    } catch (error) {
      if (!isAbsent(error)) throw error;
      return undefined;
    }
  }

  async #extendOne(key: string, end: number, wanted: RetentionMode, options: RequestOptions): Promise<void> {
    const before = await this.#retentionOf({ Key: key }, options);
    const mode = before.until > 0 && before.mode === 'compliance' ? 'compliance' : wanted;
    if (before.until >= end && before.mode === mode) return;
    const until = Math.max(end, before.until);
    const { sender, lsu, digests } = this.#place;
    await sender.send({ operation: 'lock', lsu, key, signal: options.signal }, (client, http) => {
      const Retention = { Mode: modeName(mode), RetainUntilDate: new Date(until) };
      return client.send(
        protectByMd5(new PutObjectRetentionCommand({ Bucket: lsu, Key: key, Retention }), digests),
        http,
      );
    });
    // Some servers take the request and keep nothing.
    const after = await this.#retentionOf({ Key: key }, options);
    if (after.until >= until) return;
    const found = after.until === 0 ? 'no lock' : `a lock until ${new Date(after.until).toISOString()}`;
    throw new EngineError(
      'VOST_LOCK_NOT_KEPT',
      'integrity',
      `${lsu}/${key} was to be locked until ${new Date(until).toISOString()}, and has ${found}`,
      { advice: 'the storage does not keep locks; ask its administrator', details: { lsu, key } },
    );
  }

  async #retentionOf(
    target: { readonly Key: string; readonly VersionId?: string },
    { signal }: RequestOptions,
  ): Promise<Lock> {
    const { sender, lsu } = this.#place;
    const task = { operation: 'read lock', lsu, key: target.Key, signal };
    try {
      const { Retention: found } = await sender.send(task, (client, http) =>
        client.send(new GetObjectRetentionCommand({ Bucket: lsu, ...target }), http),
      );
      return { until: found?.RetainUntilDate?.getTime() ?? 0, mode: modeOf(found?.Mode) };
    } catch (error) {
      if (isAbsent(error)) return { until: 0, mode: 'governance' };
      throw error;
    }
  }

  async #isHeld(
    target: { readonly Key: string; readonly VersionId?: string },
    { signal }: RequestOptions,
  ): Promise<boolean> {
    const { sender, lsu } = this.#place;
    const task = { operation: 'read legal hold', lsu, key: target.Key, signal };
    try {
      const { LegalHold } = await sender.send(task, (client, http) =>
        client.send(new GetObjectLegalHoldCommand({ Bucket: lsu, ...target }), http),
      );
      return LegalHold?.Status === 'ON';
    } catch (error) {
      if (isAbsent(error)) return false;
      throw error;
    }
  }
}

/** No lock, no configuration, no object; or a server that knows none of it. */
function isAbsent(error: unknown): boolean {
  const failure = failureOf(error);
  if (failure === 'not-found') return (error as EngineError).code !== 'VOST_NO_SUCH_LSU';
  return failure === 'unsupported' || s3CodeOf(error) === 'InvalidRequest';
}

function modeOf(name: string | undefined): RetentionMode {
  return name === 'COMPLIANCE' ? 'compliance' : 'governance';
}

function modeName(mode: RetentionMode): 'COMPLIANCE' | 'GOVERNANCE' {
  return mode === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE';
}
