import { PutObjectCommand } from '@aws-sdk/client-s3';
import { bodyBytes } from '../body.ts';
import type { Body, ObjectInfo, RequestOptions } from '../store.ts';
import { type S3Place, storageClassOf } from './head.ts';
import { checkEtag, plainEtag, proveBody } from './integrity.ts';
import { payloadOf } from './payload.ts';
import { dateOf, decorate } from './send.ts';

/** One PutObject. */
export async function putObject(place: S3Place, key: string, body: Body, options: RequestOptions): Promise<ObjectInfo> {
  const { sender, lsu } = place;
  const { wireIntegrity, endpoint } = sender.settings;
  const size = bodyBytes(body);
  const proof = await proveBody(body, wireIntegrity, place.digests);
  return sender.send({ operation: 'put', lsu, key, bytes: size, signal: options.signal }, async (client, http) => {
    let modified = 0;
    const command = new PutObjectCommand({
      Bucket: lsu,
      Key: key,
      Body: payloadOf(body, endpoint.protocol === 'https:'),
      ContentLength: size,
      ...storageClassOf(place),
    });
    decorate(command, proof.headers, (headers) => {
      modified = dateOf(headers);
    });
    const { ETag } = await client.send(command, http);
    const etag = plainEtag(ETag);
    checkEtag(proof, etag, `put ${lsu}/${key}`);
    return { key, size, modified, etag };
  });
}
