/* Bounds and constants of the engine protocol. docs/engine-protocol.md is the specification. */
#ifndef VOST_WIRE_LIMITS_H
#define VOST_WIRE_LIMITS_H

#define WIRE_MAJOR 1
#define WIRE_MINOR 0

/* "VASTOST1" read as a little-endian number: first field of every hello. */
#define WIRE_HELLO_MAGIC UINT64_C(0x3154534f54534156)
/* Every hello frame has exactly this length, header included, so that one recvmsg can take it. */
#define WIRE_HELLO_BYTES 256

#define WIRE_HEADER_BYTES 12
#define WIRE_MAX_FRAME (256 * 1024)

/* Frame header flags. */
#define WIRE_FLAG_RESEND 0x0001 /* request: sent again after a reconnect, may have been done already */
#define WIRE_FLAG_ERROR 0x0002  /* answer: the payload is an `error`, whatever the type */

/* An answer's type is its request's type with this bit. */
#define WIRE_ANSWER 0x8000

/* Longest strings, bytes, without terminator. */
#define WIRE_MAX_NAME 255    /* server, LSU, base name, full name, label */
#define WIRE_MAX_SHORT 127   /* dates, versions, the free texts of an image identity */
#define WIRE_MAX_CAUSE 1023  /* error causes, report lines, cursors */
#define WIRE_MAX_SECRET 1023 /* user name and password */
#define WIRE_MAX_TEXT 65536  /* configuration text, event payload */

/* Most entries of one list page. */
#define WIRE_MAX_NAMES 256
#define WIRE_MAX_IMAGES 128
#define WIRE_MAX_EVENTS 64
/* Most slots that one image may hold, and so the most an ATTACH can carry. */
#define WIRE_MAX_IMAGE_SLOTS 1024

/* Largest image metadata blob, bytes; a blob also has to fit into one slot. */
#define WIRE_MAX_META (16 * 1024 * 1024)
/* Metadata blobs of one image are numbered 0 … this - 1. */
#define WIRE_MAX_META_INDEX 64

/* A count or size that the engine does not know. */
#define WIRE_UNKNOWN UINT64_MAX

/* What an answer with WIRE_FLAG_ERROR says. The plugin maps these to STS numbers, so that only
   stspi.h knows those. */
enum wire_result {
  WIRE_OK = 0,
  WIRE_INVALID = 1,       /* the request makes no sense (bad name, range, mode, state) */
  WIRE_NO_MEMORY = 2,     /* the engine has no memory for it */
  WIRE_BUSY = 3,          /* the object is in use */
  WIRE_AGAIN = 4,         /* the store is throttled or away for now: the caller may repeat */
  WIRE_NOT_FOUND = 5,     /* no such server, LSU, image, blob, operation */
  WIRE_END = 6,           /* no more entries */
  WIRE_ABORTED = 7,       /* cancelled on request */
  WIRE_SYSTEM = 8,        /* a system call failed (file store, descriptor) */
  WIRE_NETWORK = 9,       /* the store cannot be reached */
  WIRE_INTERNAL = 10,     /* a bug, or something unclassified */
  WIRE_AUTH = 11,         /* credentials refused */
  WIRE_ACCESS = 12,       /* known, but not allowed */
  WIRE_NO_SPACE = 13,     /* store full or quota reached */
  WIRE_EXISTS = 14,       /* the image is there already, complete or pending */
  WIRE_UNSUPPORTED = 15,  /* this store or format cannot do it */
  WIRE_READ_ONLY = 16,    /* the LSU takes no writes */
  WIRE_WORM_MINIMUM = 17, /* lock time below the LSU's minimum */
  WIRE_WORM_MAXIMUM = 18, /* lock time above the LSU's maximum */
  WIRE_WORM_LOCKED = 19,  /* the image is locked */
  WIRE_INTEGRITY = 20,    /* bytes are not what they were */
  WIRE_TIMEOUT = 21,      /* the engine gave up waiting */
  WIRE_PROTOCOL = 22,     /* version or framing refused; detail = supported major << 16 | minor */
  WIRE_ARENA = 23,        /* arena refused; detail = wanted slot count << 32 | wanted slot bytes */
  WIRE_LIMIT = 24,        /* a configured bound (sessions, handles, operations) is reached */
};

/* server_info.capabilities */
#define WIRE_CAP_WRITE_RANDOM UINT64_C(0x0001)
#define WIRE_CAP_COPY_IMAGE UINT64_C(0x0002)
#define WIRE_CAP_ASYNC_COPY UINT64_C(0x0004)
#define WIRE_CAP_EVENTS UINT64_C(0x0008)
#define WIRE_CAP_IMAGE_META UINT64_C(0x0010)
#define WIRE_CAP_CONFIG UINT64_C(0x0020)
#define WIRE_CAP_LABEL UINT64_C(0x0040)
#define WIRE_CAP_WORM UINT64_C(0x0080)

/* lsu_info.flags */
#define WIRE_LSU_READ UINT64_C(0x0001)
#define WIRE_LSU_WRITE UINT64_C(0x0002)
#define WIRE_LSU_WORM UINT64_C(0x0004)
#define WIRE_LSU_COPY_SOURCE UINT64_C(0x0008)
#define WIRE_LSU_COPY_TARGET UINT64_C(0x0010)
#define WIRE_LSU_DEDUP UINT64_C(0x0020)

/* image_info.flags and image_list.kinds */
#define WIRE_IMAGE_PENDING 0x0001
#define WIRE_IMAGE_CREATED 0x0002
#define WIRE_IMAGE_BUSY_WRITE 0x0004
#define WIRE_IMAGE_BUSY_READ 0x0008

/* image_create.flags */
#define WIRE_CREATE_MORE_FOLLOW 0x0001 /* hint: this process will make another image on this LSU */

/* image_open.mode, image_attach.mode */
enum wire_open_mode { WIRE_MODE_READ = 1, WIRE_MODE_WRITE = 2 };

/* image_close.mode */
enum wire_close_mode {
  WIRE_CLOSE_COMPLETE = 1,
  WIRE_CLOSE_INCOMPLETE = 2,
  WIRE_CLOSE_ABANDON = 3,
  WIRE_CLOSE_READ = 4
};

/* image_read.hint */
enum wire_read_hint { WIRE_HINT_SCATTERED = 0, WIRE_HINT_SEQUENTIAL = 1 };

/* image_read answer flags */
#define WIRE_READ_EOF 0x01 /* the range ends at the end of the image */

/* slot_full.flags */
#define WIRE_SLOT_LAST 0x0001 /* may be shorter than a chunk: nothing follows but a close */

/* attach_slot.state */
enum wire_slot_state { WIRE_SLOT_FILLING = 1, WIRE_SLOT_FULL = 2, WIRE_SLOT_READ = 3 };

/* image_attach answer: state */
enum wire_attach_state { WIRE_ATTACH_OPEN = 0, WIRE_ATTACH_COMMITTED = 1 };

/* image_delete.flags */
#define WIRE_DELETE_ASYNC 0x0001 /* answer once the image no longer exists for readers; free space later */

/* copy_start.flags */
#define WIRE_COPY_EVENT 0x0001 /* announce the finished copy as an event on the target server */

/* copy_wait answer: state */
enum wire_copy_state { WIRE_COPY_RUNNING = 0, WIRE_COPY_DONE = 1 };

/* event.type */
enum wire_event_type {
  WIRE_EVENT_IMAGE_COPIED = 1,
  WIRE_EVENT_LSU_CHANGED = 2,
  WIRE_EVENT_IMAGE_DELETED = 3,
  WIRE_EVENT_IMAGE_COMPLETED = 4,
  WIRE_EVENT_CAPACITY = 5,
  WIRE_EVENT_SERVER = 6
};

/* server_open.cred_type */
enum wire_cred_type { WIRE_CRED_NONE = 0, WIRE_CRED_CLEAR = 1, WIRE_CRED_MD5 = 2 };

#endif
