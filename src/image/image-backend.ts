import type { EngineError } from '../errors.ts';
import type { Lease } from '../pipeline/lease.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { ObjectStore } from '../vast/store.ts';
import type { WriteProgress } from './image-writer.ts';
import type { Manifest } from './manifest.ts';

export interface HandleContext {
  readonly store: ObjectStore;
  readonly resources: Resources;
  readonly journal: Uint8Array | undefined;
  readonly creator: string;
  readonly signal?: AbortSignal;
}

export interface WriteHandle {
  readonly imageId: string;
  readonly chunkBytes: number;
  readonly firstChunk: number;
  readonly size: number;
  present(chunk: number, into: Uint8Array): Promise<number>;
  put(chunk: number, bytes: Uint8Array, last: boolean, lease: Lease): void;
  flush(): Promise<void>;
  writeMeta(index: number, bytes: Uint8Array): Promise<void>;
  readMeta(index: number): Promise<Uint8Array>;
  close(mode: 'complete' | 'incomplete' | 'abandon', size: number): Promise<Manifest | undefined>;
  onFailure(listener: (error: EngineError) => void): void;
  readonly progress: WriteProgress;
}

export interface ReadHandle {
  readonly manifest: Manifest;
  read(
    offset: number,
    length: number,
    into: Uint8Array,
    sequential: boolean,
    signal?: AbortSignal,
  ): Promise<{ start: number; length: number; slotOffset: number; eof: boolean }>;
  readMeta(index: number): Promise<Uint8Array>;
  close(): Promise<void>;
}
