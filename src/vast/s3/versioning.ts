import { GetBucketVersioningCommand } from '@aws-sdk/client-s3';
import { failureOf } from '../../errors.ts';
import type { RequestOptions } from '../store.ts';
import type { S3Place } from './head.ts';

/** How long we take an answer that may change for granted, milliseconds. */
export const REMEMBER_MS = 300_000;
/** What servers say that know no versions, and to users who may not ask: then deleting works as without versions. */
const NO_ANSWER: readonly string[] = ['unsupported', 'usage', 'access', 'not-found'];

/** Whether an LSU keeps versions. Once turned on it cannot be turned off on VAST; elsewhere suspended versions are versions still. */
export class S3Versioning {
  readonly #place: S3Place;
  #enabled = false;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(place: S3Place) {
    this.#place = place;
  }

  async enabled(options: RequestOptions): Promise<boolean> {
    if (this.#enabled || performance.now() - this.#askedAt < REMEMBER_MS) return this.#enabled;
    this.#enabled = await this.#ask(options);
    this.#askedAt = performance.now();
    return this.#enabled;
  }

  async #ask({ signal }: RequestOptions): Promise<boolean> {
    const { sender, lsu } = this.#place;
    try {
      const answer = await sender.send({ operation: 'look for versions', lsu, signal }, (client, http) =>
        client.send(new GetBucketVersioningCommand({ Bucket: lsu }), http),
      );
      return answer.Status !== undefined;
    } catch (error) {
      if (NO_ANSWER.includes(failureOf(error))) return false;
      throw error;
    }
  }
}
