import { receiveXml } from '../body/receive.ts';
import type { Call, Reply } from '../call.ts';
import { keyFromText, MAX_KEY_BYTES } from '../keys.ts';
import { s3Error } from '../s3-error.ts';
import { MAX_PAGE } from '../settings.ts';
import { childText, type XmlElement } from '../xml/xml-parser.ts';
import { type XmlChildren, xmlDocument } from '../xml/xml-writer.ts';

export async function deleteObject(call: Call): Promise<Reply> {
  const bucket = call.state.bucket(call.bucket);
  const contents = deletesContents(call);
  bucket.deleteObject(call.key);
  if (contents) {
    const below = call.key.endsWith('/') ? call.key : `${call.key}/`;
    for (const key of bucket.keysBelow(below)) bucket.deleteObject(key);
  }
  return { status: 204 };
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
  const results = keys.flatMap(({ text, versioned }): XmlChildren => {
    const error = versioned
      ? s3Error('NotImplemented', 'Versions are not implemented.')
      : Buffer.byteLength(text) > MAX_KEY_BYTES
        ? s3Error('KeyTooLongError')
        : undefined;
    if (error !== undefined) {
      return [
        [
          'Error',
          [
            ['Key', text],
            ['Code', error.code],
            ['Message', error.message],
          ],
        ],
      ];
    }
    bucket.deleteObject(keyFromText(text));
    return quiet ? [] : [['Deleted', [['Key', text]]]];
  });
  return { status: 200, xml: xmlDocument('DeleteResult', results) };
}

function requestedKey(item: XmlElement): { text: string; versioned: boolean } {
  const text = childText(item, 'Key');
  if (text === undefined || text === '') throw s3Error('MalformedXML');
  return { text, versioned: childText(item, 'VersionId') !== undefined };
}
