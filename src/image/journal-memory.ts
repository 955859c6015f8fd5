import type { Steps } from '../chaos/kill-switch.ts';

/** Memory that survives this process, as a journal region needs it (docs/engine-protocol.md, section 5.1). */
export interface JournalMemory {
  /** To read; hostile, and may change meanwhile. Writes go through the methods. */
  readonly bytes: Uint8Array;
  set(bytes: Uint8Array, at: number): void;
  /** One aligned 32-bit store, after everything before it. */
  publish(at: number, value: number): void;
  /** Zeroes, in one step for whoever dies. */
  clear(at: number, length: number): void;
}

/** @param bytes aligned to 8. */
export function journalMemory(bytes: Uint8Array): JournalMemory {
  return {
    bytes,
    set: (from, at) => bytes.set(from, at),
    publish: (at, value) => {
      Atomics.store(new Int32Array(bytes.buffer, bytes.byteOffset + at, 1), 0, value);
    },
    clear: (at, length) => void bytes.fill(0, at, at + length),
  };
}

/** The memory, and each write to it is a few steps: of a process that dies amid one only the first half arrives. */
export function steppedJournal(memory: JournalMemory, steps: Steps): JournalMemory {
  return {
    bytes: memory.bytes,
    set: (from, at) => {
      if (steps.dead) return;
      const half = Math.floor(from.byteLength / 2);
      memory.set(from.subarray(0, half), at);
      if (steps.step('amid:journal-write')) return;
      memory.set(from.subarray(half), at + half);
      steps.step('after:journal-write');
    },
    publish: (at, value) => {
      if (steps.dead || steps.step('before:journal-publish')) return;
      memory.publish(at, value);
      steps.step('after:journal-publish');
    },
    clear: (at, length) => {
      if (steps.dead || steps.step('before:journal-clear')) return;
      memory.clear(at, length);
      steps.step('after:journal-clear');
    },
  };
}
