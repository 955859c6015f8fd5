import type { RequestBody } from './http/request-body.ts';
import type { S3Settings } from './settings.ts';
import type { BucketSpace } from './state/bucket-space.ts';
import type { Segment } from './state/records.ts';

/** An authenticated request on its way through one operation. */
export interface Call {
  readonly bucket: string;
  /** Binary string, see keys.ts. */
  readonly key: string;
  /** Decoded parameters, binary strings. */
  readonly query: ReadonlyMap<string, string>;
  /** A header by its lower-case name; presigned URLs may carry `x-amz-*` ones as parameters. */
  readonly header: (name: string) => string | undefined;
  readonly headerNames: readonly string[];
  readonly body: RequestBody;
  readonly state: BucketSpace;
  readonly settings: S3Settings;
  /** Milliseconds since the epoch, one value for the whole request. */
  readonly now: number;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
}

/** What an operation answers; it says nothing about how that is sent. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An XML document. */
  readonly xml?: string;
  /** Stored bytes. The reply owns one reference to them. */
  readonly content?: readonly Segment[];
}
