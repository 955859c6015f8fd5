import { receiveXml } from '../body/receive.ts';
import type { Call, Reply } from '../call.ts';
import { isoDate } from '../http/dates.ts';
import { s3Error } from '../s3-error.ts';
import { childText } from '../xml/xml-parser.ts';
import { xmlDocument } from '../xml/xml-writer.ts';
import { deletesContents } from './delete-objects.ts';
import { OWNER } from './owner.ts';

export async function listBuckets(call: Call): Promise<Reply> {
  const buckets = call.state.buckets().map((bucket) => {
    const fields = [['Name', bucket.name] as const, ['CreationDate', isoDate(bucket.created)] as const];
    return ['Bucket', fields] as const;
  });
  return {
    status: 200,
    xml: xmlDocument('ListAllMyBucketsResult', [
      ['Owner', OWNER],
      ['Buckets', buckets],
    ]),
  };
}

export async function createBucket(call: Call): Promise<Reply> {
  const { region } = call.settings;
  const location = (await requestedLocation(call)) ?? region ?? '';
  if (region !== undefined && location !== region) throw s3Error('IllegalLocationConstraintException');
  call.state.createBucket(call.bucket, call.now, location);
  if (call.header('x-amz-bucket-object-lock-enabled')?.toLowerCase() === 'true') {
    call.state.bucket(call.bucket).protect({ versioning: true, objectLock: true });
  }
  return { status: 200, headers: { Location: `/${call.bucket}` } };
}

async function requestedLocation(call: Call): Promise<string | undefined> {
  if (call.header('content-length') === undefined && call.header('transfer-encoding') === undefined) return undefined;
  const root = await receiveXml(call);
  if (root === undefined) return undefined;
  if (root.name !== 'CreateBucketConfiguration') throw s3Error('MalformedXML');
  return childText(root, 'LocationConstraint');
}

export async function headBucket(call: Call): Promise<Reply> {
  const { location } = call.state.bucket(call.bucket);
  return { status: 200, headers: location === '' ? {} : { 'x-amz-bucket-region': location } };
}

export async function deleteBucket(call: Call): Promise<Reply> {
  call.state.deleteBucket(call.bucket, { contents: deletesContents(call) });
  return { status: 204 };
}

/** No bucket has one: the simulator enforces no policies. */
export async function getBucketPolicy(call: Call): Promise<Reply> {
  call.state.bucket(call.bucket);
  throw s3Error('NoSuchBucketPolicy');
}

export async function getBucketLocation(call: Call): Promise<Reply> {
  const { location } = call.state.bucket(call.bucket);
  // AWS says '' for its oldest region.
  return { status: 200, xml: xmlDocument('LocationConstraint', location === 'us-east-1' ? '' : location) };
}
