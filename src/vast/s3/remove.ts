import { DeleteObjectCommand, DeleteObjectsCommand, type DeleteObjectsCommandOutput } from '@aws-sdk/client-s3';
import { failureOf } from '../../errors.ts';
import { checkSignal } from '../body.ts';
import type { RequestOptions } from '../store.ts';
import { s3CodeOf, s3Error } from './classify.ts';
import type { S3Place } from './head.ts';
import type { Digests } from './integrity.ts';

/** S3's limit for one DeleteObjects. */
const BATCH = 1_000;
/** Single deletes at the same time. */
const PARALLEL = 16;
/** What servers say that have no DeleteObjects, or not as the SDK sends it. */
const NO_BULK = new Set(['NotImplemented', 'MethodNotAllowed', 'MalformedXML', 'InvalidRequest']);

interface Exchange {
  readonly request: { headers: Record<string, string>; readonly body?: unknown };
}

/**
 * The SDK protects DeleteObjects with x-amz-checksum-crc32, which VAST and older servers refuse or
 * ignore; Content-MD5 is understood everywhere. Runs last in the build step: after the SDK's checksum,
 * before the signer.
 */
function protectByMd5(command: DeleteObjectsCommand, digests: Digests): DeleteObjectsCommand {
  const middleware =
    (next: (exchange: Exchange) => Promise<unknown>) =>
    async (exchange: Exchange): Promise<unknown> => {
      const { headers, body } = exchange.request;
      for (const name of Object.keys(headers)) {
        if (/^x-amz-(?:checksum-|sdk-checksum-)/i.test(name)) delete headers[name];
      }
      const bytes = typeof body === 'string' ? Buffer.from(body) : (body as Uint8Array);
      headers['content-md5'] = (await digests.md5([bytes])).toString('base64');
      return next(exchange);
    };
  const options = { step: 'build', priority: 'low', name: 'vostContentMd5' } as const;
  command.middlewareStack.add(middleware as never, options);
  return command;
}

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

/** Deletes keys, a thousand in one request where the server can. */
export class S3Remover {
  readonly #place: S3Place;
  #bulk = true;

  constructor(place: S3Place) {
    this.#place = place;
  }

  async delete(keys: readonly string[], options: RequestOptions): Promise<void> {
    for (let at = 0; at < keys.length; at += BATCH) {
      checkSignal(options.signal);
      await this.#batch(keys.slice(at, at + BATCH), options);
    }
  }

  async #batch(keys: readonly string[], options: RequestOptions): Promise<void> {
    if (this.#bulk) {
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
