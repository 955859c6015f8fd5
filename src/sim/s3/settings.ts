import type { OperationName } from './operations/routes.ts';
import type { BucketSpace } from './state/bucket-space.ts';

/**
 * How `x-amz-checksum-*` and aws-chunked bodies are treated. Real stores differ; a client that
 * wants to work on all of them is tested on all three.
 *
 * - `reject`: 400 InvalidArgument for the headers, 501 NotImplemented for aws-chunked bodies.
 * - `ignore`: accepted, neither verified nor stored nor returned.
 * - `full`: verified, stored and returned, as AWS does.
 *
 * In every mode the operations whose checksum SDKs cannot leave out (DeleteObjects,
 * PutObjectTagging) work.
 */
export type ChecksumMode = 'reject' | 'ignore' | 'full';

/** What a fault hook sees of a request, before its signature is checked. */
export interface FaultContext {
  readonly operation: OperationName;
  readonly method: string;
  /** '' for operations on the service. */
  readonly bucket: string;
  /** '' for operations on a bucket; bytes that are not UTF-8 show as U+FFFD. */
  readonly key: string;
  /** Decoded query parameters (uploadId, partNumber …). */
  readonly query: ReadonlyMap<string, string>;
  readonly requestId: string;
  /** Address that the request came in on. */
  readonly address: string;
}

/**
 * What happens to a request instead of, or around, its normal answer.
 *
 * - `status` and `code`: answered at once with this error; nothing is done.
 * - `'reset'`: the connection breaks at once; nothing is done.
 * - `'lose-answer'`: the operation is carried out, then the connection breaks before the answer.
 * - `truncateAfter`: carried out; the connection breaks after so many bytes of the answer's body.
 * - `delayMs`: the request waits, then goes on normally; `then` comes after.
 */
export type Fault =
  | { readonly status: number; readonly code: string; readonly message?: string }
  | 'reset'
  | 'lose-answer'
  | { readonly truncateAfter: number }
  | { readonly delayMs: number; readonly then?: Fault | undefined };

/** Asked for every request that names an operation. A promise holds the request until it settles. */
export type FaultHook = (context: FaultContext) => Fault | undefined | Promise<Fault | undefined>;

/** Who asks, once the signature was found good. */
export interface Caller {
  readonly accessKey: string;
  /** Address that the request came in on. */
  readonly address: string;
}

/** Everything the request handler needs to know; the listener has its own options. */
export interface S3Settings {
  /** The secret of an access key, undefined when there is no such key. */
  readonly secretOf: (accessKey: string) => string | undefined;
  /** The buckets as a caller sees them. May throw an S3 error. */
  readonly spaceOf: (caller: Caller) => BucketSpace;
  /** What the header `Server` says: VAST's own SDK looks for `vast <a>.<b>.<c>.<d>`. */
  readonly server: string;
  /** The only region that signatures may name; undefined accepts any. */
  readonly region: string | undefined;
  readonly checksumMode: ChecksumMode;
  readonly conditionalWrites: 'ignore' | '412';
  /** Smallest part except the last of an upload, bytes. */
  readonly minPartBytes: number;
  /** Is there a trash folder, which `x-amz-delete-contents` needs? */
  readonly trash: boolean;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly onRequest: FaultHook | undefined;
}

const GIB = 1024 ** 3;
/** Largest body of PutObject and UploadPart, and largest source of CopyObject, bytes (AWS "multipart upload limits"). */
export const MAX_BODY_BYTES = 5 * GIB;
/** Largest object, bytes: the 1 TB that public VAST manuals state. */
export const MAX_OBJECT_BYTES = 1e12;
export const MAX_PARTS = 10_000;
/** Largest page of any listing, and most keys of one DeleteObjects. */
export const MAX_PAGE = 1000;
/** Most bytes of user metadata: names without `x-amz-meta-`, and values. */
export const MAX_METADATA_BYTES = 2048;
/** Largest XML request: 10,000 parts with checksums, or 1000 keys of escaped characters, fit. */
export const MAX_XML_BYTES = 8 * 1024 * 1024;
