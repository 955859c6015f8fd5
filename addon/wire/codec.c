#include "codec.h"
#include <string.h>

/* ---- little-endian numbers, without alignment or byte order assumptions ---- */
static uint64_t get_number(const uint8_t *bytes, unsigned width) {
  uint64_t value = 0;
  for (unsigned i = 0; i < width; i++) value |= (uint64_t)bytes[i] << (8 * i);
  return value;
}

static void put_number(uint8_t *bytes, unsigned width, uint64_t value) {
  for (unsigned i = 0; i < width; i++) bytes[i] = (uint8_t)(value >> (8 * i));
}

static unsigned number_width(enum wire_kind kind) {
  switch (kind) {
  case WIRE_KIND_u8: return 1;
  case WIRE_KIND_u16: return 2;
  case WIRE_KIND_u32: return 4;
  case WIRE_KIND_u64: return 8;
  default: return 0;
  }
}

static void store_number(void *member, unsigned width, uint64_t value) {
  uint8_t v8 = (uint8_t)value;
  uint16_t v16 = (uint16_t)value;
  uint32_t v32 = (uint32_t)value;
  const void *from = width == 1   ? (void *)&v8
                     : width == 2 ? (void *)&v16
                     : width == 4 ? (void *)&v32
                                  : (void *)&value;
  memcpy(member, from, width);
}

static uint64_t load_number(const void *member, unsigned width) {
  uint8_t v8;
  uint16_t v16;
  uint32_t v32;
  uint64_t v64;
  switch (width) {
  case 1: memcpy(&v8, member, 1); return v8;
  case 2: memcpy(&v16, member, 2); return v16;
  case 4: memcpy(&v32, member, 4); return v32;
  default: memcpy(&v64, member, 8); return v64;
  }
}

/* ---- decoding ---- */
struct reader {
  const uint8_t *at;
  size_t left;
};

static const uint8_t *take(struct reader *reader, size_t bytes) {
  if (reader->left < bytes) return NULL;
  const uint8_t *at = reader->at;
  reader->at += bytes;
  reader->left -= bytes;
  return at;
}

static enum wire_decode read_group(struct reader *reader, const struct wire_group *group, void *out);

static enum wire_decode read_bytes(struct reader *reader, const struct wire_field *field,
                                   struct wire_bytes *out) {
  unsigned width = field->kind == WIRE_KIND_str ? 2 : 4;
  const uint8_t *size = take(reader, width);
  if (size == NULL) return WIRE_DECODE_SHORT;
  uint64_t length = get_number(size, width);
  if (length > field->max) return WIRE_DECODE_BOUND;
  const uint8_t *data = take(reader, (size_t)length);
  if (data == NULL) return WIRE_DECODE_SHORT;
  if (field->kind == WIRE_KIND_str && length > 0 && memchr(data, 0, (size_t)length) != NULL)
    return WIRE_DECODE_NUL;
  *out = (struct wire_bytes){data, (uint32_t)length};
  return WIRE_DECODE_OK;
}

/* Walk all entries once, so that wire_list_next cannot fail later. */
static enum wire_decode read_list(struct reader *reader, const struct wire_field *field,
                                  struct wire_list *out) {
  const uint8_t *size = take(reader, 2);
  if (size == NULL) return WIRE_DECODE_SHORT;
  uint16_t count = (uint16_t)get_number(size, 2);
  if (count > field->max) return WIRE_DECODE_BOUND;
  const uint8_t *begin = reader->at;
  union wire_any scratch;
  for (uint16_t i = 0; i < count; i++) {
    enum wire_decode status = read_group(reader, field->group, &scratch);
    if (status != WIRE_DECODE_OK) return status;
  }
  *out = (struct wire_list){NULL, begin, (uint32_t)(reader->at - begin), count};
  return WIRE_DECODE_OK;
}

static enum wire_decode read_field(struct reader *reader, const struct wire_field *field, uint8_t *member) {
  unsigned width = number_width(field->kind);
  if (width != 0) {
    const uint8_t *bytes = take(reader, width);
    if (bytes == NULL) return WIRE_DECODE_SHORT;
    store_number(member, width, get_number(bytes, width));
    return WIRE_DECODE_OK;
  }
  switch (field->kind) {
  case WIRE_KIND_key:
  case WIRE_KIND_chars: {
    const uint8_t *bytes = take(reader, field->max);
    if (bytes == NULL) return WIRE_DECODE_SHORT;
    memcpy(member, bytes, field->max);
    return WIRE_DECODE_OK;
  }
  case WIRE_KIND_group: return read_group(reader, field->group, member);
  case WIRE_KIND_list: return read_list(reader, field, (struct wire_list *)(void *)member);
  default: return read_bytes(reader, field, (struct wire_bytes *)(void *)member);
  }
}

static enum wire_decode read_group(struct reader *reader, const struct wire_group *group, void *out) {
  memset(out, 0, group->size);
  for (size_t i = 0; i < group->count; i++) {
    const struct wire_field *field = &group->fields[i];
    enum wire_decode status = read_field(reader, field, (uint8_t *)out + field->offset);
    if (status != WIRE_DECODE_OK) return status;
  }
  return WIRE_DECODE_OK;
}

enum wire_decode wire_header_read(const uint8_t *bytes, struct wire_header *header) {
  header->length = (uint32_t)get_number(bytes, 4);
  header->type = (uint16_t)get_number(bytes + 4, 2);
  header->flags = (uint16_t)get_number(bytes + 6, 2);
  header->id = (uint32_t)get_number(bytes + 8, 4);
  if (header->length < WIRE_HEADER_BYTES || header->length > WIRE_MAX_FRAME) return WIRE_DECODE_LENGTH;
  return WIRE_DECODE_OK;
}

static enum wire_decode check_header(const struct wire_header *header) {
  const struct wire_message *message = wire_message_of(header->type);
  if (message == NULL) return WIRE_DECODE_TYPE;
  bool answer = (header->type & WIRE_ANSWER) != 0;
  if (answer && message->answer == NULL) return WIRE_DECODE_TYPE;
  uint16_t allowed = answer ? WIRE_FLAG_ERROR : message->answer != NULL ? WIRE_FLAG_RESEND : 0;
  if ((header->flags & (uint16_t)~allowed) != 0) return WIRE_DECODE_FLAGS;
  if ((header->id == 0) != (message->answer == NULL)) return WIRE_DECODE_ID;
  return WIRE_DECODE_OK;
}

enum wire_decode wire_decode(const uint8_t *frame, size_t length, struct wire_header *header,
                             const struct wire_group **group, void *out, size_t size) {
  if (length < WIRE_HEADER_BYTES) return WIRE_DECODE_LENGTH;
  enum wire_decode status = wire_header_read(frame, header);
  if (status != WIRE_DECODE_OK) return status;
  if (header->length != length) return WIRE_DECODE_LENGTH;
  status = check_header(header);
  if (status != WIRE_DECODE_OK) return status;
  *group = wire_payload_group(header);
  if ((*group)->size > size) return WIRE_DECODE_BOUND;
  struct reader reader = {frame + WIRE_HEADER_BYTES, length - WIRE_HEADER_BYTES};
  status = read_group(&reader, *group, out);
  if (status != WIRE_DECODE_OK) return status;
  return reader.left == 0 ? WIRE_DECODE_OK : WIRE_DECODE_TRAILING;
}

bool wire_list_next(struct wire_list *list, const struct wire_group *group, void *out) {
  if (list->count == 0) return false;
  struct reader reader = {list->raw, list->raw_length};
  if (read_group(&reader, group, out) != WIRE_DECODE_OK) return false;
  list->raw = reader.at;
  list->raw_length = (uint32_t)reader.left;
  list->count--;
  return true;
}

/* ---- encoding ---- */
struct writer {
  uint8_t *at;
  size_t left;
};

static uint8_t *give(struct writer *writer, size_t bytes) {
  if (writer->left < bytes) return NULL;
  uint8_t *at = writer->at;
  writer->at += bytes;
  writer->left -= bytes;
  return at;
}

static bool write_group(struct writer *writer, const struct wire_group *group, const void *message);

static bool write_number(struct writer *writer, unsigned width, uint64_t value) {
  uint8_t *at = give(writer, width);
  if (at == NULL) return false;
  put_number(at, width, value);
  return true;
}

static bool write_raw(struct writer *writer, const void *data, size_t length) {
  uint8_t *at = give(writer, length);
  if (at == NULL) return false;
  if (length > 0) memcpy(at, data, length);
  return true;
}

static bool write_bytes(struct writer *writer, const struct wire_field *field, const struct wire_bytes *bytes) {
  if (bytes->length > field->max) return false;
  if (field->kind == WIRE_KIND_str && bytes->length > 0 && memchr(bytes->data, 0, bytes->length) != NULL)
    return false;
  return write_number(writer, field->kind == WIRE_KIND_str ? 2 : 4, bytes->length) &&
         write_raw(writer, bytes->data, bytes->length);
}

static bool write_list(struct writer *writer, const struct wire_field *field, const struct wire_list *list) {
  if (list->count > field->max || !write_number(writer, 2, list->count)) return false;
  const uint8_t *item = list->items;
  for (uint16_t i = 0; i < list->count; i++, item += field->group->size)
    if (!write_group(writer, field->group, item)) return false;
  return true;
}

static bool write_field(struct writer *writer, const struct wire_field *field, const uint8_t *member) {
  unsigned width = number_width(field->kind);
  if (width != 0) return write_number(writer, width, load_number(member, width));
  switch (field->kind) {
  case WIRE_KIND_key:
  case WIRE_KIND_chars: return write_raw(writer, member, field->max);
  case WIRE_KIND_group: return write_group(writer, field->group, member);
  case WIRE_KIND_list: return write_list(writer, field, (const struct wire_list *)(const void *)member);
  default: return write_bytes(writer, field, (const struct wire_bytes *)(const void *)member);
  }
}

static bool write_group(struct writer *writer, const struct wire_group *group, const void *message) {
  for (size_t i = 0; i < group->count; i++) {
    const struct wire_field *field = &group->fields[i];
    if (!write_field(writer, field, (const uint8_t *)message + field->offset)) return false;
  }
  return true;
}

size_t wire_encode(uint8_t *frame, size_t space, uint16_t type, uint16_t flags, uint32_t id,
                   const void *message) {
  struct wire_header header = {0, type, flags, id};
  if (check_header(&header) != WIRE_DECODE_OK) return 0;
  if (space > WIRE_MAX_FRAME) space = WIRE_MAX_FRAME;
  struct writer writer = {frame, space};
  if (give(&writer, WIRE_HEADER_BYTES) == NULL) return 0;
  if (!write_group(&writer, wire_payload_group(&header), message)) return 0;
  size_t length = (size_t)(writer.at - frame);
  put_number(frame, 4, length);
  put_number(frame + 4, 2, type);
  put_number(frame + 6, 2, flags);
  put_number(frame + 8, 4, id);
  return length;
}

/* ---- small helpers ---- */
const char *wire_decode_text(enum wire_decode status) {
  static const char *const texts[] = {"ok",
                                      "frame length out of bounds",
                                      "unknown message type",
                                      "flags not allowed for this type",
                                      "payload too short",
                                      "bytes after the last field",
                                      "string or list too long",
                                      "NUL byte in a string",
                                      "request id does not fit the type"};
  return (unsigned)status < sizeof(texts) / sizeof(texts[0]) ? texts[status] : "unknown";
}

struct wire_bytes wire_text(const char *text) {
  return (struct wire_bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
}

bool wire_copy_text(struct wire_bytes bytes, char *out, size_t space) {
  size_t length = bytes.length < space ? bytes.length : space - 1;
  if (length > 0) memcpy(out, bytes.data, length);
  out[length] = 0;
  return length == bytes.length;
}
