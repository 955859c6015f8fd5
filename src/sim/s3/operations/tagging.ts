import { receiveXml } from '../body/receive.ts';
import type { Call, Reply } from '../call.ts';
import { s3Error } from '../s3-error.ts';
import { childText } from '../xml/xml-parser.ts';
import { xmlDocument } from '../xml/xml-writer.ts';
import { checkTags, type Tag } from './attributes.ts';
import { storedObject } from './requested-version.ts';

export async function getObjectTagging(call: Call): Promise<Reply> {
  const { tags } = storedObject(call.state.bucket(call.bucket), call.key);
  const set = tags.map(([key, value]) => {
    return ['Tag', [['Key', key] as const, ['Value', value] as const]] as const;
  });
  return { status: 200, xml: xmlDocument('Tagging', [['TagSet', set]]) };
}

export async function putObjectTagging(call: Call): Promise<Reply> {
  const root = await receiveXml(call);
  const [set, ...more] = root?.children ?? [];
  if (root?.name !== 'Tagging' || set?.name !== 'TagSet' || more.length > 0) throw s3Error('MalformedXML');
  const tags = set.children.map((item): Tag => {
    const key = childText(item, 'Key');
    const value = childText(item, 'Value');
    if (item.name !== 'Tag' || key === undefined || value === undefined) throw s3Error('MalformedXML');
    return [key, value];
  });
  replaceTags(call, checkTags(tags));
  return { status: 200 };
}

export async function deleteObjectTagging(call: Call): Promise<Reply> {
  replaceTags(call, []);
  return { status: 204 };
}

function replaceTags(call: Call, tags: readonly Tag[]): void {
  const bucket = call.state.bucket(call.bucket);
  bucket.revise({ ...storedObject(bucket, call.key), tags });
}
