/** What a memory storage holds; several {@link MemoryStorage}s may share one. */
import type { ObjectInfo, PartInfo } from '../store.ts';

export interface MemoryObject {
  readonly info: ObjectInfo;
  readonly bytes: Uint8Array;
}

export interface MemoryPart {
  readonly info: PartInfo;
  readonly bytes: Uint8Array;
}

export interface MemoryUpload {
  readonly key: string;
  readonly initiated: number;
  readonly parts: Map<number, MemoryPart>;
}

export interface MemoryLsu {
  readonly objects: Map<string, MemoryObject>;
  readonly uploads: Map<string, MemoryUpload>;
  /** Until when keys are locked, milliseconds since the epoch. */
  readonly locks: Map<string, number>;
}

export type MemoryState = Map<string, MemoryLsu>;

let markers = 0;

/** A change marker never used before in this process. */
export function nextMarker(): string {
  markers += 1;
  return markers.toString(16).padStart(16, '0');
}
