import { DeleteObjectCommand, DeleteObjectsCommand, type DeleteObjectsCommandOutput } from '@aws-sdk/client-s3';
import { failureOf } from '../../errors.ts';
import { checkSignal } from '../body.ts';
import type { RequestOptions } from '../store.ts';
import { s3CodeOf, s3Error } from './classify.ts';
import { protectByMd5 } from './content-md5.ts';
import type { S3Place } from './head.ts';
import type { S3History } from './history.ts';

/** S3's limit for one DeleteObjects. */
const BATCH = 1_000;
/** Single deletes at the same time. */
const PARALLEL = 16;
/** What servers say that have no DeleteObjects, or not as the SDK sends it. */
const NO_BULK = new Set(['NotImplemented', 'MethodNotAllowed', 'MalformedXML', 'InvalidRequest']);

/** Errors of single keys inside a successful answer. */
function checkErrors(answer: DeleteObjectsCommandOutput, lsu: string): void {
  for (const { Code: name = '', Message: message = '', Key: key } of answer.Errors ?? []) {
    if (name !== 'NoSuchKey') throw s3Error({ name, message }, `delete ${lsu}/${key}`, { lsu, key });
  }
}

async function deleteBatch(place: S3Place, keys: readonly string[], options: RequestOptions): Promise<void> {
  const { sender, lsu, digests } = place;
  const Delete = { Quiet: true, Objects: keys.map((Key) => ({ Key })) };
  await sender.send({ operation: 'delete', lsu, slow: true, signal: options.signal }, async (client, http) => {
    const command = protectByMd5(new DeleteObjectsCommand({ Bucket: lsu, Delete }), digests);
    checkErrors(await client.send(command, http), lsu);
  });
}

async function deleteOne({ sender, lsu }: S3Place, key: string, options: RequestOptions): Promise<void> {
  try {
    await sender.send({ operation: 'delete', lsu, key, signal: options.signal }, (client, http) =>
      client.send(new DeleteObjectCommand({ Bucket: lsu, Key: key }), http),
    );
  } catch (error) {
    if (failureOf(error) !== 'not-found') throw error;
  }
}

/** Deletes keys, a single one by the plain request, a thousand in one request where the server can, and what versions there are of them. */
export class S3Remover {
  readonly #place: S3Place;
  readonly #history: S3History;
  #bulk = true;

  constructor(place: S3Place, history: S3History) {
    this.#place = place;
    this.#history = history;
  }

  async delete(keys: readonly string[], options: RequestOptions): Promise<void> {
    for (let at = 0; at < keys.length; at += BATCH) {
      checkSignal(options.signal);
      await this.#batch(keys.slice(at, at + BATCH), options);
    }
    // The keys are gone for readers; now for good.
    await this.#history.purge(keys, options);
  }

  async #batch(keys: readonly string[], options: RequestOptions): Promise<void> {
    if (this.#bulk && keys.length > 1) {
      try {
        return await deleteBatch(this.#place, keys, options);
      } catch (error) {
        if (!NO_BULK.has(s3CodeOf(error))) throw error;
        this.#bulk = false;
      }
    }
    for (let at = 0; at < keys.length; at += PARALLEL) {
      await Promise.all(keys.slice(at, at + PARALLEL).map((key) => deleteOne(this.#place, key, options)));
    }
  }
}
