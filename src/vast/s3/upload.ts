import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListPartsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { EngineError, failureOf } from '../../errors.ts';
import { checkPart, checkParts } from '../body.ts';
import type { ObjectInfo, PartBody, PartInfo, RequestOptions, Upload } from '../store.ts';
import { noSuchUpload } from '../store-errors.ts';
import { completeUpload } from './complete.ts';
import { ended, sendData } from './data-request.ts';
import { type S3Place, storageClassOf } from './head.ts';
import { bodyHeaders, checkEtag, md5OfFew, plainEtag, proveBody } from './integrity.ts';
import { pages } from './pages.ts';
import { payloadOf } from './payload.ts';

/** Parts in flight while an abort arrives can survive it; AWS says to repeat until none is listed. */
const ABORT_ROUNDS = 3;

export async function createS3Upload(place: S3Place, key: string, options: RequestOptions): Promise<S3Upload> {
  const { sender, lsu } = place;
  const id = await sender.send(
    { operation: 'create upload', lsu, key, signal: options.signal },
    async (client, http) => {
      const answer = await client.send(
        new CreateMultipartUploadCommand({ Bucket: lsu, Key: key, ...storageClassOf(place) }),
        http,
      );
      if (!answer.UploadId) throw new EngineError('VOST_S3', 'internal', 'the server gave no upload id');
      return answer.UploadId;
    },
  );
  return new S3Upload(place, key, id, true);
}

/** Time for dropping an upload of our own after a failure, milliseconds; gc finds what is left then. */
const DISCARD_MS = 10_000;

/**
 * Drop an upload because what filled it failed. Not with the caller's signal, which may be what
 * ended it, and not for as long as retries would go on: the caller waits for the first error.
 */
export async function discardUpload(upload: Upload): Promise<void> {
  try {
    await upload.abort({ signal: AbortSignal.timeout(DISCARD_MS) });
  } catch {
    // The first error matters; the upload stays visible to listUploads.
  }
}

/** Of a body up to so many bytes its MD5 costs less than a request, bytes. */
const SMALL_BYTES = 64 * 1024;

/** A multipart upload. The server joins parts by their numbers; offsets are not needed. */
export class S3Upload implements Upload {
  readonly key: string;
  readonly id: string;
  readonly #place: S3Place;
  /** All parts that there can be, of an upload that was begun here: by number, their MD5 if the server has answered with it. */
  readonly #sent: Map<number, string | undefined> | undefined;

  /** @param begun just now, so there are no parts but those that are sent through this. */
  constructor(place: S3Place, key: string, id: string, begun = false) {
    this.#sent = begun ? new Map() : undefined;
    this.#place = place;
    this.key = key;
    this.id = id;
  }

  /** Some servers say NoSuchKey (RadosGW) or a bare 404 for an upload that is gone. */
  async #known<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      const gone = failureOf(error) === 'not-found' && (error as EngineError).code !== 'VOST_NO_SUCH_LSU';
      throw gone ? this.#gone(error) : error;
    }
  }

  #gone(cause?: unknown): EngineError {
    return noSuchUpload(this.#place.lsu, this.key, this.id, cause);
  }

  /** An empty id would turn the request into one about the object itself. */
  #target(): { Bucket: string; Key: string; UploadId: string } {
    if (this.id === '') throw this.#gone();
    return { Bucket: this.#place.lsu, Key: this.key, UploadId: this.id };
  }

  async putPart(part: PartBody, options: RequestOptions = {}): Promise<PartInfo> {
    const { sender, lsu, limits, digests } = this.#place;
    checkPart(part, limits);
    const { number, size, body } = part;
    const target = this.#target();
    const { wireIntegrity, endpoint } = sender.settings;
    const proof = await proveBody(body, wireIntegrity, digests);
    this.#sent?.set(number, undefined);
    const few = this.#sent !== undefined && size <= SMALL_BYTES;
    const md5 = few ? md5OfFew(body)?.toString('hex') : undefined;
    const task = { operation: 'part', lsu, key: this.key, bytes: size, signal: options.signal };
    const sent = sender.send(task, async (client, http) => {
      const { headers, body: answer } = await sendData(this.#place, client, http, {
        method: 'PUT',
        key: this.key,
        query: { partNumber: String(number), uploadId: this.id },
        headers: bodyHeaders(proof, size),
        body: payloadOf(body, endpoint.protocol === 'https:'),
        explain: (http) => client.send(new UploadPartCommand({ ...target, PartNumber: number, Body: '' }), http),
      });
      await ended(answer);
      const etag = plainEtag(headers['etag']);
      checkEtag(proof, etag, `part ${number} of ${lsu}/${this.key}`);
      if (md5 === etag) this.#sent?.set(number, md5);
      return { number, size, etag };
    });
    return this.#known(sent);
  }

  async listParts(options: RequestOptions = {}): Promise<PartInfo[]> {
    const { sender, lsu, limits } = this.#place;
    const target = this.#target();
    const parts = pages(async (marker: string | undefined) => {
      const answer = await sender.send(
        { operation: 'list parts', lsu, key: this.key, signal: options.signal },
        (client, http) =>
          client.send(
            new ListPartsCommand({
              ...target,
              MaxParts: sender.settings.pageSize,
              ...(marker === undefined ? {} : { PartNumberMarker: marker }),
            }),
            http,
          ),
      );
      const items = (answer.Parts ?? []).map(({ PartNumber: number = 0, Size: size = 0, ETag }) => ({
        number,
        size,
        etag: plainEtag(ETag),
      }));
      return { items, next: answer.IsTruncated ? answer.NextPartNumberMarker : undefined };
    });
    const list: PartInfo[] = [];
    const collect = async (): Promise<void> => {
      for await (const part of parts) {
        list.push(part);
        if (list.length > limits.maxParts) throw new EngineError('VOST_S3', 'internal', 'more parts than there can be');
      }
    };
    await this.#known(collect());
    return list.sort((a, b) => a.number - b.number);
  }

  async complete(parts: readonly PartInfo[], options: RequestOptions = {}): Promise<ObjectInfo> {
    const { lsu, limits } = this.#place;
    const proven = this.#provenEtag(parts);
    // Servers differ in what they refuse (RadosGW takes any order, AWS takes a subset), so we look first.
    const stored = proven === undefined ? await this.listParts(options) : parts;
    const size = checkParts(lsu, this.key, parts, stored, limits);
    return this.#known(completeUpload(this.#place, this, parts, { size, proven }, options));
  }

  /** The ETag that the object will have, if it has one small part, which was sent from here and came as it was sent. */
  #provenEtag([part, ...others]: readonly PartInfo[]): string | undefined {
    if (part === undefined || others.length > 0 || this.#sent?.size !== 1) return undefined;
    const md5 = this.#sent.get(part.number);
    if (md5 === undefined || md5 !== part.etag) return undefined;
    return `${md5OfFew([Buffer.from(md5, 'hex')])?.toString('hex')}-1`;
  }

  async abort(options: RequestOptions = {}): Promise<void> {
    if (this.id === '') return;
    const { sender, lsu } = this.#place;
    const target = this.#target();
    try {
      for (let round = 1; round <= ABORT_ROUNDS; round += 1) {
        await sender.send({ operation: 'abort upload', lsu, key: this.key, signal: options.signal }, (client, http) =>
          client.send(new AbortMultipartUploadCommand(target), http),
        );
        await this.listParts(options);
      }
    } catch (error) {
      if (failureOf(error) === 'not-found') return;
      throw error;
    }
    throw new EngineError(
      'VOST_UPLOAD_LINGERS',
      'busy',
      `the upload ${this.id} of ${lsu}/${this.key} outlives its abort`,
      {
        advice: 'Run gc later; parts may still have been in flight.',
        details: { lsu, key: this.key, upload: this.id },
      },
    );
  }
}
