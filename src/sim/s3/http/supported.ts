/**
 * What the simulator refuses because it does not know it. A request that means something we would
 * not do must fail loudly: a test against us should never pass by being ignored.
 */
import type { Payload } from '../auth/authenticate.ts';
import type { OperationName, Route } from '../operations/routes.ts';
import { s3Error } from '../s3-error.ts';
import type { ChecksumMode } from '../settings.ts';

const HEADERS = new Set([
  'x-amz-acl',
  'x-amz-bucket-object-lock-enabled',
  'x-amz-bypass-governance-retention',
  'x-amz-content-sha256',
  'x-amz-copy-source',
  'x-amz-copy-source-if-match',
  'x-amz-copy-source-if-modified-since',
  'x-amz-copy-source-if-none-match',
  'x-amz-copy-source-if-unmodified-since',
  'x-amz-copy-source-range',
  'x-amz-date',
  'x-amz-decoded-content-length',
  'x-amz-expected-bucket-owner',
  'x-amz-metadata-directive',
  'x-amz-mp-object-size',
  'x-amz-object-lock-legal-hold',
  'x-amz-object-lock-mode',
  'x-amz-object-lock-retain-until-date',
  'x-amz-sdk-checksum-algorithm',
  'x-amz-source-expected-bucket-owner',
  'x-amz-storage-class',
  'x-amz-tagging',
  'x-amz-tagging-directive',
  'x-amz-trailer',
  'x-amz-user-agent',
]);
/** Extensions of VAST's, each for these operations only. */
const EXTENSIONS: Readonly<Record<string, readonly OperationName[]>> = {
  'x-amz-copy-disposition': ['CopyObject'],
  'x-amz-delete-contents': ['DeleteObject', 'DeleteBucket'],
};
const FAMILIES = /^x-amz-(?:meta-|checksum-(?:crc32|crc32c|crc64nvme|sha1|sha256|algorithm|type|mode)$)/;
const PRESIGNING = /^X-Amz-(?:Algorithm|Credential|Date|Expires|SignedHeaders|Signature|Content-Sha256)$/;
/** These two give the owner what the owner has anyway. */
const OWNERS_ACLS = ['private', 'bucket-owner-full-control'];
/** SDKs send a checksum with these whatever their settings are. */
const ALWAYS_CHECKSUMMED: readonly OperationName[] = [
  'DeleteObjects',
  'PutBucketVersioning',
  'PutObjectLegalHold',
  'PutObjectLockConfiguration',
  'PutObjectRetention',
  'PutObjectTagging',
];

/** `x-amz-*` parameters of a presigned URL stand for headers. */
export function isHeaderParameter(name: string): boolean {
  return name.startsWith('x-amz-');
}

/** Refuse parameters that the operation does not understand. */
export function checkParameters(route: Route, names: Iterable<string>): void {
  for (const name of names) {
    if (name === 'x-id' || PRESIGNING.test(name) || isHeaderParameter(name)) continue;
    if (route.selectors.includes(name) || route.parameters.includes(name)) continue;
    throw s3Error('NotImplemented', `The query parameter ${name} is not implemented for ${route.name}.`);
  }
}

/** Refuse `x-amz-*` headers that mean something unknown; other headers are HTTP's business. */
export function checkHeaders(
  operation: OperationName,
  names: Iterable<string>,
  header: (name: string) => string | undefined,
): void {
  for (const name of names) {
    const known = HEADERS.has(name) || FAMILIES.test(name) || EXTENSIONS[name]?.includes(operation);
    if (name.startsWith('x-amz-') && !known) {
      throw s3Error('NotImplemented', `The header ${name} is not implemented.`);
    }
  }
  const acl = header('x-amz-acl');
  if (acl !== undefined && !OWNERS_ACLS.includes(acl)) {
    throw s3Error('NotImplemented', `The canned ACL ${acl} is not implemented.`);
  }
  const storageClass = header('x-amz-storage-class');
  if (storageClass !== undefined && storageClass !== 'STANDARD') throw s3Error('InvalidStorageClass');
}

/** In mode `reject`, refuse what stores older than SDK checksums refuse. */
export function checkChecksumUse(
  mode: ChecksumMode,
  operation: OperationName,
  headerNames: readonly string[],
  payload: Payload,
): void {
  if (mode !== 'reject') return;
  if (payload.kind === 'aws-chunked') {
    throw s3Error('NotImplemented', 'Bodies of the kind STREAMING-* (aws-chunked) are not implemented.');
  }
  if (ALWAYS_CHECKSUMMED.includes(operation)) return;
  const name = headerNames.find((header) => header.startsWith('x-amz-checksum-') && header !== 'x-amz-checksum-mode');
  if (name !== undefined) throw s3Error('InvalidArgument', `The header ${name} is not supported.`);
}
