import { PutObjectCommand } from '@aws-sdk/client-s3';
import { bodyBytes } from '../body.ts';
import type { Body, ObjectInfo, RequestOptions } from '../store.ts';
import { ended, sendData } from './data-request.ts';
import type { S3Place } from './head.ts';
import { bodyHeaders, checkEtag, plainEtag, proveBody } from './integrity.ts';
import { payloadOf } from './payload.ts';
import { dateOf } from './send.ts';

/** One PutObject. */
export async function putObject(place: S3Place, key: string, body: Body, options: RequestOptions): Promise<ObjectInfo> {
  const { sender, lsu, storageClass } = place;
  const { wireIntegrity, endpoint } = sender.settings;
  const size = bodyBytes(body);
  const proof = await proveBody(body, wireIntegrity, place.digests);
  return sender.send({ operation: 'put', lsu, key, bytes: size, signal: options.signal }, async (client, http) => {
    const { headers, body: answer } = await sendData(place, client, http, {
      method: 'PUT',
      key,
      headers: {
        ...bodyHeaders(proof, size),
        ...(storageClass === undefined ? {} : { 'x-amz-storage-class': storageClass }),
      },
      body: payloadOf(body, endpoint.protocol === 'https:'),
      explain: (http) => client.send(new PutObjectCommand({ Bucket: lsu, Key: key, Body: '' }), http),
    });
    await ended(answer);
    const etag = plainEtag(headers['etag']);
    checkEtag(proof, etag, `put ${lsu}/${key}`);
    return { key, size, modified: dateOf(headers), etag };
  });
}
