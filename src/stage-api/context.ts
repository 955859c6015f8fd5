/** What can be written as JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A JSON object: options, what a stage records with an image. */
export type JsonObject = { readonly [key: string]: Json };

/** The image that is being written or read. What a copy of an image is called may differ from what the image was called. */
export interface ImageInfo {
  /** LSU: the bucket or directory. */
  readonly lsu: string;
  /** Basename of the image. */
  readonly name: string;
  /** As NetBackup gives it: seconds since 1970, or any text. */
  readonly date: string;
  readonly policy: string;
  readonly schedule: string;
  readonly client: string;
}

/** A chunk: a slice of the image, 64 MiB unless configured otherwise. */
export interface ChunkInfo {
  /** Position in the image's sequence of chunks, from 0. */
  readonly index: number;
  /** Offset of its first byte in the image. */
  readonly offset: number;
  /** Bytes of the image that it holds, whatever stages made of them. */
  readonly length: number;
  /** The most bytes that may be returned. */
  readonly maxBytes: number;
}

/** An image whose last chunk has been encoded. */
export interface ImageTotals {
  /** Bytes of the image. */
  readonly size: number;
  /** Its chunks. */
  readonly chunks: number;
}

/** Something that people should know of. It becomes a line of the log, and an event of the storage server. */
export interface StageReport {
  readonly severity: 'info' | 'warning' | 'error';
  /** One sentence, at most 1000 characters. Never secrets. */
  readonly text: string;
  /** Numbers for metrics and machines: `[a-z][a-z0-9_]*`, at most 32 of them. */
  readonly values?: Readonly<Record<string, number>>;
}

/** What a stage is given beside the bytes. */
export interface StageContext<Options = unknown> {
  /** As `optionsSchema` made them: on write from the configuration, on read from the image. */
  readonly options: Options;
  /** What `record` noted with the image; empty without one. */
  readonly recorded: JsonObject;
  /** What `seal` noted with the image; empty without one, and while the image is written. */
  readonly sealed: JsonObject;
  /** Bytes of the image, as whoever gave it to us says; undefined while it is written. What `seal` was given is what it has to be. */
  readonly size?: number | undefined;
  /** What the configuration refers to (`key = file:…`, `key = env:…`), by name. Kept nowhere else. */
  readonly secrets: Readonly<Record<string, Uint8Array>>;
  readonly image: ImageInfo;
  /** Version of the stage that wrote the image. */
  readonly writtenBy: string;
  /** Fires when nobody waits for the result any more. */
  readonly signal: AbortSignal;
  /** Tell people something. At most 16 times a call. */
  report(report: StageReport): void;
}
