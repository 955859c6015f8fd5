import { receiveXml } from '../body/receive.ts';
import type { Call, Reply } from '../call.ts';
import { keyFromText, MAX_KEY_BYTES } from '../keys.ts';
import { S3Error, s3Error } from '../s3-error.ts';
import { MAX_PAGE } from '../settings.ts';
import type { Bucket } from '../state/bucket.ts';
import { isMarker } from '../state/versions.ts';
import { childText, type XmlElement } from '../xml/xml-parser.ts';
import { type XmlChildren, xmlDocument } from '../xml/xml-writer.ts';
import { lockQuestion } from './object-lock.ts';
import { versionHeader } from './requested-version.ts';

export async function deleteObject(call: Call): Promise<Reply> {
  const bucket = call.state.bucket(call.bucket);
  const contents = deletesContents(call);
  const { id, marker } = deleteVersion(call, bucket, call.key, call.query.get('versionId'));
  if (contents) {
    const below = call.key.endsWith('/') ? call.key : `${call.key}/`;
    for (const key of bucket.keysBelow(below)) bucket.deleteObject(key, call.now);
  }
  const headers = { ...versionHeader({ version: id }), ...(marker ? { 'x-amz-delete-marker': 'true' } : {}) };
  return { status: 204, headers };
}

/** The version that was deleted or, when none was named, the delete marker that was made, if any. */
function deleteVersion(
  call: Call,
  bucket: Bucket,
  key: string,
  id: string | undefined,
): { readonly id: string | undefined; readonly marker: boolean } {
  if (id === undefined) {
    const marker = bucket.deleteObject(key, call.now);
    return { id: marker?.version, marker: marker !== undefined };
  }
  const version = bucket.deleteVersion(key, id, lockQuestion(call));
  return { id, marker: version !== undefined && isMarker(version) };
}

/**
 * `x-amz-delete-contents: true`, an extension of VAST's: what lies below goes too, by way of the trash
 * folder. What VAST says when there is none is not public.
 */
export function deletesContents(call: Call): boolean {
  if (call.header('x-amz-delete-contents')?.toLowerCase() !== 'true') return false;
  if (!call.settings.trash) throw s3Error('InvalidRequest', 'trash folder disabled');
  return true;
}

/** Up to 1000 keys in one request; keys that are not there count as deleted. */
export async function deleteObjects(call: Call): Promise<Reply> {
  const bucket = call.state.bucket(call.bucket);
  const root = await receiveXml(call);
  if (root?.name !== 'Delete') throw s3Error('MalformedXML');
  const items = root.children.filter((child) => child.name === 'Object');
  if (items.length === 0 || items.length > MAX_PAGE) throw s3Error('MalformedXML');
  const quiet = childText(root, 'Quiet') === 'true';
  const keys = items.map(requestedKey);
  const results = keys.flatMap(({ text, id }): XmlChildren => {
    const named = [['Key', text] as const, ['VersionId', id] as const];
    try {
      if (Buffer.byteLength(text) > MAX_KEY_BYTES) throw s3Error('KeyTooLongError');
      const deleted = deleteVersion(call, bucket, keyFromText(text), id);
      const marker: XmlChildren = deleted.marker
        ? [
            ['DeleteMarker', true],
            ['DeleteMarkerVersionId', deleted.id],
          ]
        : [];
      return quiet ? [] : [['Deleted', [...named, ...marker]]];
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      return [['Error', [...named, ['Code', error.code], ['Message', error.message]]]];
    }
  });
  return { status: 200, xml: xmlDocument('DeleteResult', results) };
}

function requestedKey(item: XmlElement): { text: string; id: string | undefined } {
  const text = childText(item, 'Key');
  if (text === undefined || text === '') throw s3Error('MalformedXML');
  return { text, id: childText(item, 'VersionId') };
}
