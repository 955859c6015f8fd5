/** Numbers of the engine protocol: docs/engine-protocol.md sections 2, 4.1, 4.2 and 8; addon/wire/limits.h has the same in C. */

export const MAJOR = 1;
export const MINOR = 0;
/** "VASTOST1" read as a little-endian number. */
export const HELLO_MAGIC = 0x3154534f54534156n;
export const HELLO_BYTES = 256;
export const MAX_FRAME = 256 * 1024;
/** Longest `error` cause, report line and cursor, bytes. */
export const MAX_CAUSE = 1023;
export const MAX_LIST_NAMES = 256;
export const MAX_LIST_IMAGES = 128;
export const MAX_LIST_EVENTS = 64;
export const MAX_IMAGE_SLOTS = 1024;
export const MAX_META_BYTES = 16 * 1024 * 1024;
export const MAX_META_INDEX = 64;
/** Requests of one session without an answer. */
export const MAX_OUTSTANDING = 1024;
/** Copy operations that a session may keep. */
export const MAX_OPERATIONS = 1024;
/** A handle without a journal region. */
export const NO_JOURNAL = 0xffff_ffff;

export const RESULT = {
  INVALID: 1,
  NO_MEMORY: 2,
  BUSY: 3,
  AGAIN: 4,
  NOT_FOUND: 5,
  END: 6,
  ABORTED: 7,
  SYSTEM: 8,
  NETWORK: 9,
  INTERNAL: 10,
  AUTH: 11,
  ACCESS: 12,
  NO_SPACE: 13,
  EXISTS: 14,
  UNSUPPORTED: 15,
  READ_ONLY: 16,
  WORM_MINIMUM: 17,
  WORM_MAXIMUM: 18,
  WORM_LOCKED: 19,
  INTEGRITY: 20,
  TIMEOUT: 21,
  PROTOCOL: 22,
  ARENA: 23,
  LIMIT: 24,
} as const;
export type ResultName = keyof typeof RESULT;

/** server_info.capabilities */
export const CAPABILITY = {
  WRITE_RANDOM: 1n,
  COPY_IMAGE: 2n,
  ASYNC_COPY: 4n,
  EVENTS: 8n,
  IMAGE_META: 16n,
  CONFIG: 32n,
  LABEL: 64n,
  WORM: 128n,
} as const;
/** lsu_info.flags */
export const LSU_FLAG = { READ: 1n, WRITE: 2n, WORM: 4n, COPY_SOURCE: 8n, COPY_TARGET: 16n, DEDUP: 32n } as const;
/** image_info.flags and image_list.kinds */
export const IMAGE_FLAG = { PENDING: 1, CREATED: 2, BUSY_WRITE: 4, BUSY_READ: 8 } as const;
/** image_open.mode, image_attach.mode */
export const OPEN_MODE = { READ: 1, WRITE: 2 } as const;
/** image_close.mode */
export const CLOSE_MODE = { COMPLETE: 1, INCOMPLETE: 2, ABANDON: 3, READ: 4 } as const;
/** image_read.hint */
export const READ_HINT = { SCATTERED: 0, SEQUENTIAL: 1 } as const;
/** image_range.flags */
export const RANGE_EOF = 1;
/** slot_full.flags */
export const SLOT_LAST = 1;
/** attach_slot.state */
export const ATTACH_SLOT = { FILLING: 1, FULL: 2, READ: 3 } as const;
/** image_attached.state */
export const ATTACHED = { OPEN: 0, COMMITTED: 1 } as const;
/** image_delete.flags */
export const DELETE_ASYNC = 1;
/** copy_start.flags */
export const COPY_EVENT = 1;
/** copy_status.state */
export const COPY_STATE = { RUNNING: 0, DONE: 1 } as const;
/** event.type */
export const EVENT_TYPE = {
  IMAGE_COPIED: 1,
  LSU_CHANGED: 2,
  IMAGE_DELETED: 3,
  IMAGE_COMPLETED: 4,
  CAPACITY: 5,
  SERVER: 6,
} as const;
