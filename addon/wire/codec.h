/* Encoding and decoding of frames. The decoder is total: any bytes give a message or an error. */
#ifndef VOST_WIRE_CODEC_H
#define VOST_WIRE_CODEC_H

#include "messages.h"
#include <stdbool.h>

enum wire_kind {
  WIRE_KIND_u8,
  WIRE_KIND_u16,
  WIRE_KIND_u32,
  WIRE_KIND_u64,
  WIRE_KIND_key,
  WIRE_KIND_chars,
  WIRE_KIND_str,
  WIRE_KIND_blob,
  WIRE_KIND_group,
  WIRE_KIND_list,
};

struct wire_group;
struct wire_field {
  const char *name;
  enum wire_kind kind;
  uint32_t max;  /* chars: width; str, blob: longest; list: most entries */
  size_t offset; /* in the struct */
  const struct wire_group *group;
};

/* The layout of one struct: what encoder, decoder and the vector writer walk. */
struct wire_group {
  const char *name;
  size_t size;
  size_t count;
  const struct wire_field *fields;
};

struct wire_message {
  const char *name;
  uint16_t type;
  const struct wire_group *request; /* or the notice's payload */
  const struct wire_group *answer;  /* NULL: a notice */
  bool from_engine;                 /* notices only */
};

/* Every message, in the order of the catalogue. */
extern const struct wire_message wire_messages[];
extern const size_t wire_message_count;
/* The payload of answers that carry WIRE_FLAG_ERROR. */
extern const struct wire_group *const wire_error_group;

struct wire_header {
  uint32_t length; /* whole frame, header included */
  uint16_t type;
  uint16_t flags;
  uint32_t id;
};

/* What decoding found. Anything but WIRE_DECODE_OK means the connection cannot be trusted any more. */
enum wire_decode {
  WIRE_DECODE_OK = 0,
  WIRE_DECODE_LENGTH,   /* the header's length is out of bounds */
  WIRE_DECODE_TYPE,     /* unknown type, or one that this side does not receive */
  WIRE_DECODE_FLAGS,    /* flags that make no sense for the type */
  WIRE_DECODE_SHORT,    /* the payload ends inside a field */
  WIRE_DECODE_TRAILING, /* bytes after the last field */
  WIRE_DECODE_BOUND,    /* a string, blob or list is longer than allowed */
  WIRE_DECODE_NUL,      /* a string holds a NUL byte */
  WIRE_DECODE_ID,       /* a request or answer with id 0, or a notice with another */
};

/* Short English for a log line. */
const char *wire_decode_text(enum wire_decode status);

/* Read the 12 header bytes and check the length's bounds. */
enum wire_decode wire_header_read(const uint8_t *bytes, struct wire_header *header);

/* The group that the payload of such a header has, or NULL if there is no such message. */
const struct wire_group *wire_payload_group(const struct wire_header *header);

/* The catalogue's entry of a type (with or without WIRE_ANSWER), or NULL. */
const struct wire_message *wire_message_of(uint16_t type);

/* Decode a whole frame into `out`, which has room for `size` bytes (at least the group's). Strings and
   lists in `out` point into `frame`. `group` receives the layout that was decoded. */
enum wire_decode wire_decode(const uint8_t *frame, size_t length, struct wire_header *header,
                             const struct wire_group **group, void *out, size_t size);

/* Take the next entry of a decoded list. `group` must be the list's. False at the end. */
bool wire_list_next(struct wire_list *list, const struct wire_group *group, void *out);

/* Encode a frame. Returns its length, or 0 when `space` or a bound is exceeded. Padding and unused
   bytes are zero. `type` includes WIRE_ANSWER for answers; flags decide for errors. */
size_t wire_encode(uint8_t *frame, size_t space, uint16_t type, uint16_t flags, uint32_t id,
                   const void *message);

/* Room for any decoded payload. */
union wire_any {
  struct wire_empty empty;
#define WIRE_ANY(group) struct wire_##group group;
  WIRE_GROUPS(WIRE_ANY)
  WIRE_PAYLOADS(WIRE_ANY)
#undef WIRE_ANY
};

#define WIRE_GROUP_EXTERN(group) extern const struct wire_group wire_group_##group;
WIRE_GROUPS(WIRE_GROUP_EXTERN)
WIRE_PAYLOADS(WIRE_GROUP_EXTERN)
extern const struct wire_group wire_group_empty;
#undef WIRE_GROUP_EXTERN

/* A C string as wire bytes. */
struct wire_bytes wire_text(const char *text);
/* Copy wire bytes into a C string of `space` bytes; false when it does not fit (then cut). */
bool wire_copy_text(struct wire_bytes bytes, char *out, size_t space);

#endif
