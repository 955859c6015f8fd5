import type { Call, Reply } from '../call.ts';
import { createBucket, deleteBucket, getBucketLocation, getBucketPolicy, headBucket, listBuckets } from './buckets.ts';
import { completeMultipartUpload } from './complete-upload.ts';
import { copyObject } from './copy-object.ts';
import { deleteObject, deleteObjects } from './delete-objects.ts';
import { getObject, headObject } from './get-object.ts';
import { listObjects, listObjectsV2 } from './list-objects.ts';
import {
  getObjectLegalHold,
  getObjectLockConfiguration,
  getObjectRetention,
  putObjectLegalHold,
  putObjectLockConfiguration,
  putObjectRetention,
} from './object-lock.ts';
import { listParts, uploadPart, uploadPartCopy } from './parts.ts';
import { putObject } from './put-object.ts';
import { deleteObjectTagging, getObjectTagging, putObjectTagging } from './tagging.ts';
import { abortMultipartUpload, createMultipartUpload, listMultipartUploads } from './uploads.ts';
import { getBucketVersioning, listObjectVersions, putBucketVersioning } from './versioning.ts';

export type OperationName =
  | 'ListBuckets'
  | 'CreateBucket'
  | 'HeadBucket'
  | 'DeleteBucket'
  | 'GetBucketLocation'
  | 'GetBucketPolicy'
  | 'GetBucketVersioning'
  | 'PutBucketVersioning'
  | 'GetObjectLockConfiguration'
  | 'PutObjectLockConfiguration'
  | 'ListObjectVersions'
  | 'ListObjects'
  | 'ListObjectsV2'
  | 'ListMultipartUploads'
  | 'DeleteObjects'
  | 'PutObject'
  | 'CopyObject'
  | 'GetObject'
  | 'HeadObject'
  | 'DeleteObject'
  | 'GetObjectTagging'
  | 'PutObjectTagging'
  | 'DeleteObjectTagging'
  | 'GetObjectRetention'
  | 'PutObjectRetention'
  | 'GetObjectLegalHold'
  | 'PutObjectLegalHold'
  | 'CreateMultipartUpload'
  | 'UploadPart'
  | 'UploadPartCopy'
  | 'CompleteMultipartUpload'
  | 'AbortMultipartUpload'
  | 'ListParts';

type Level = 'service' | 'bucket' | 'object';

export interface Route {
  readonly name: OperationName;
  readonly method: string;
  readonly level: Level;
  /** Parameters that select this operation. */
  readonly selectors: readonly string[];
  /** Further parameters that it understands. */
  readonly parameters: readonly string[];
  /** Selected by the presence of `x-amz-copy-source`. */
  readonly copies: boolean;
  readonly run: (call: Call) => Promise<Reply>;
}

type Extras = Partial<Pick<Route, 'selectors' | 'parameters' | 'copies'>>;

function route(name: OperationName, method: string, level: Level, run: Route['run'], extras: Extras = {}): Route {
  return { name, method, level, run, selectors: [], parameters: [], copies: false, ...extras };
}

const LISTING = ['prefix', 'delimiter', 'max-keys', 'encoding-type'];
const VERSION = { parameters: ['versionId'] };

/** More selective routes come first. */
const ROUTES: readonly Route[] = [
  route('ListBuckets', 'GET', 'service', listBuckets),
  route('GetBucketLocation', 'GET', 'bucket', getBucketLocation, { selectors: ['location'] }),
  route('GetBucketPolicy', 'GET', 'bucket', getBucketPolicy, { selectors: ['policy'] }),
  route('GetBucketVersioning', 'GET', 'bucket', getBucketVersioning, { selectors: ['versioning'] }),
  route('PutBucketVersioning', 'PUT', 'bucket', putBucketVersioning, { selectors: ['versioning'] }),
  route('GetObjectLockConfiguration', 'GET', 'bucket', getObjectLockConfiguration, { selectors: ['object-lock'] }),
  route('PutObjectLockConfiguration', 'PUT', 'bucket', putObjectLockConfiguration, { selectors: ['object-lock'] }),
  route('ListObjectVersions', 'GET', 'bucket', listObjectVersions, {
    selectors: ['versions'],
    parameters: [...LISTING, 'key-marker', 'version-id-marker'],
  }),
  route('ListMultipartUploads', 'GET', 'bucket', listMultipartUploads, {
    selectors: ['uploads'],
    parameters: ['prefix', 'key-marker', 'upload-id-marker', 'max-uploads', 'encoding-type'],
  }),
  route('ListObjectsV2', 'GET', 'bucket', listObjectsV2, {
    selectors: ['list-type'],
    parameters: [...LISTING, 'start-after', 'continuation-token', 'fetch-owner'],
  }),
  route('ListObjects', 'GET', 'bucket', listObjects, { parameters: [...LISTING, 'marker'] }),
  route('CreateBucket', 'PUT', 'bucket', createBucket),
  route('HeadBucket', 'HEAD', 'bucket', headBucket),
  route('DeleteBucket', 'DELETE', 'bucket', deleteBucket),
  route('DeleteObjects', 'POST', 'bucket', deleteObjects, { selectors: ['delete'] }),
  route('GetObjectTagging', 'GET', 'object', getObjectTagging, { selectors: ['tagging'] }),
  route('PutObjectTagging', 'PUT', 'object', putObjectTagging, { selectors: ['tagging'] }),
  route('DeleteObjectTagging', 'DELETE', 'object', deleteObjectTagging, { selectors: ['tagging'] }),
  route('GetObjectRetention', 'GET', 'object', getObjectRetention, { selectors: ['retention'], ...VERSION }),
  route('PutObjectRetention', 'PUT', 'object', putObjectRetention, { selectors: ['retention'], ...VERSION }),
  route('GetObjectLegalHold', 'GET', 'object', getObjectLegalHold, { selectors: ['legal-hold'], ...VERSION }),
  route('PutObjectLegalHold', 'PUT', 'object', putObjectLegalHold, { selectors: ['legal-hold'], ...VERSION }),
  route('CreateMultipartUpload', 'POST', 'object', createMultipartUpload, { selectors: ['uploads'] }),
  route('CompleteMultipartUpload', 'POST', 'object', completeMultipartUpload, { selectors: ['uploadId'] }),
  route('AbortMultipartUpload', 'DELETE', 'object', abortMultipartUpload, { selectors: ['uploadId'] }),
  route('ListParts', 'GET', 'object', listParts, {
    selectors: ['uploadId'],
    parameters: ['max-parts', 'part-number-marker'],
  }),
  route('UploadPartCopy', 'PUT', 'object', uploadPartCopy, { selectors: ['uploadId', 'partNumber'], copies: true }),
  route('UploadPart', 'PUT', 'object', uploadPart, { selectors: ['uploadId', 'partNumber'] }),
  route('CopyObject', 'PUT', 'object', copyObject, { copies: true }),
  route('PutObject', 'PUT', 'object', putObject),
  route('GetObject', 'GET', 'object', getObject, VERSION),
  route('HeadObject', 'HEAD', 'object', headObject, VERSION),
  route('DeleteObject', 'DELETE', 'object', deleteObject, VERSION),
];

/** What decides which operation a request means. */
export interface RouteRequest {
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  readonly parameters: readonly string[];
  readonly hasCopySource: boolean;
}

/** The operation of a request, undefined when the simulator has none for it. */
export function findRoute(request: RouteRequest): Route | undefined {
  const level = request.bucket === '' ? 'service' : request.key === '' ? 'bucket' : 'object';
  return ROUTES.find(
    (candidate) =>
      candidate.method === request.method &&
      candidate.level === level &&
      candidate.copies === request.hasCopySource &&
      candidate.selectors.every((name) => request.parameters.includes(name)),
  );
}
