/*
 * The message catalogue, once: structs, codec tables, test vectors and the tables of
 * docs/engine-protocol.md all come from these lists. F(kind, name, arg):
 *   u8 u16 u32 u64        little-endian numbers
 *   key                   16 bytes
 *   chars    arg = width  fixed width, padded with zeroes (hello only)
 *   str      arg = max    u16 length, bytes without NUL
 *   blob     arg = max    u32 length, any bytes
 *   group    arg = group  the group's fields in place
 *   list     arg = group  u16 count, then the group's fields, count times
 */
#ifndef VOST_WIRE_MESSAGES_H
#define VOST_WIRE_MESSAGES_H

#include "limits.h"
#include <stddef.h>
#include <stdint.h>

/* ---- groups that messages share ---- */
#define WIRE_FIELDS_image_id(F)                                                                                \
  F(str, basename, WIRE_MAX_NAME)                                                                              \
  F(str, date, WIRE_MAX_SHORT)                                                                                 \
  F(str, fullname, WIRE_MAX_NAME)                                                                              \
  F(u32, number1, 0)                                                                                           \
  F(u32, number2, 0)                                                                                           \
  F(str, text1, WIRE_MAX_SHORT)                                                                                \
  F(str, text2, WIRE_MAX_SHORT)
#define WIRE_FIELDS_image_info(F)                                                                              \
  F(u64, size, 0)                                                                                              \
  F(u64, stored, 0)                                                                                            \
  F(u64, created, 0)                                                                                           \
  F(u64, modified, 0)                                                                                          \
  F(u64, locked_until, 0)                                                                                      \
  F(u32, flags, 0)                                                                                             \
  F(u32, fragments, 0)                                                                                         \
  F(u32, metas, 0)
#define WIRE_FIELDS_name(F) F(str, name, WIRE_MAX_NAME)
#define WIRE_FIELDS_image_entry(F)                                                                             \
  F(group, id, image_id)                                                                                       \
  F(group, info, image_info)
#define WIRE_FIELDS_attach_slot(F)                                                                             \
  F(u32, slot, 0)                                                                                              \
  F(u32, state, 0)                                                                                             \
  F(u64, chunk, 0)                                                                                             \
  F(u64, start, 0)                                                                                             \
  F(u32, length, 0)                                                                                            \
  F(u32, flags, 0)
#define WIRE_FIELDS_event(F)                                                                                   \
  F(u64, sequence, 0)                                                                                          \
  F(u64, time, 0)                                                                                              \
  F(u32, type, 0)                                                                                              \
  F(u32, payload_bytes, 0)                                                                                     \
  F(str, lsu, WIRE_MAX_NAME)                                                                                   \
  F(group, image, image_id)

#define WIRE_GROUPS(G) G(image_id) G(image_info) G(name) G(image_entry) G(attach_slot) G(event)

/* ---- messages ---- */
#define WIRE_FIELDS_error(F)                                                                                   \
  F(u32, result, 0)                                                                                            \
  F(u64, detail, 0)                                                                                            \
  F(str, cause, WIRE_MAX_CAUSE)

#define WIRE_FIELDS_hello(F)                                                                                   \
  F(u64, magic, 0)                                                                                             \
  F(u16, major, 0)                                                                                             \
  F(u16, minor, 0)                                                                                             \
  F(u32, connection, 0)                                                                                        \
  F(u64, features, 0)                                                                                          \
  F(key, session, 0)                                                                                           \
  F(u64, arena_bytes, 0)                                                                                       \
  F(u64, slots_offset, 0)                                                                                      \
  F(u32, slot_bytes, 0)                                                                                        \
  F(u32, slot_count, 0)                                                                                        \
  F(u32, journal_bytes, 0)                                                                                     \
  F(u32, journal_count, 0)                                                                                     \
  F(u32, pid, 0)                                                                                               \
  F(chars, program, 64)                                                                                        \
  F(chars, version, 64)                                                                                        \
  F(chars, reserved, 40)
#define WIRE_FIELDS_hello_ok(F)                                                                                \
  F(u16, major, 0)                                                                                             \
  F(u16, minor, 0)                                                                                             \
  F(u64, features, 0)                                                                                          \
  F(key, instance, 0)                                                                                          \
  F(str, version, WIRE_MAX_SHORT)

#define WIRE_FIELDS_server_open(F)                                                                             \
  F(u64, server, 0)                                                                                            \
  F(str, name, WIRE_MAX_NAME)                                                                                  \
  F(str, interface, WIRE_MAX_NAME)                                                                             \
  F(u32, cred_type, 0)                                                                                         \
  F(str, user, WIRE_MAX_SECRET)                                                                                \
  F(str, secret, WIRE_MAX_SECRET)                                                                              \
  F(str, job, WIRE_MAX_SHORT)
#define WIRE_FIELDS_server(F) F(u64, server, 0)
#define WIRE_FIELDS_server_prop(F)                                                                             \
  F(u64, server, 0)                                                                                            \
  F(str, name, WIRE_MAX_NAME)
#define WIRE_FIELDS_server_info(F)                                                                             \
  F(str, name, WIRE_MAX_NAME)                                                                                  \
  F(str, version, WIRE_MAX_SHORT)                                                                              \
  F(u64, capabilities, 0)                                                                                      \
  F(u32, max_handles, 0)
#define WIRE_FIELDS_config_text(F) F(blob, text, WIRE_MAX_TEXT)
#define WIRE_FIELDS_config_set(F)                                                                              \
  F(u64, server, 0)                                                                                            \
  F(blob, text, WIRE_MAX_TEXT)

#define WIRE_FIELDS_lsu_list(F)                                                                                \
  F(u64, server, 0)                                                                                            \
  F(u32, max, 0)                                                                                               \
  F(str, cursor, WIRE_MAX_CAUSE)
#define WIRE_FIELDS_lsu_page(F)                                                                                \
  F(str, cursor, WIRE_MAX_CAUSE)                                                                               \
  F(list, names, name)
#define WIRE_FIELDS_lsu_prop(F)                                                                                \
  F(u64, server, 0)                                                                                            \
  F(str, lsu, WIRE_MAX_NAME)
#define WIRE_FIELDS_lsu_info(F)                                                                                \
  F(str, name, WIRE_MAX_NAME)                                                                                  \
  F(str, label, WIRE_MAX_NAME)                                                                                 \
  F(str, description, WIRE_MAX_NAME)                                                                           \
  F(u64, flags, 0)                                                                                             \
  F(u64, capacity, 0)                                                                                          \
  F(u64, used, 0)                                                                                              \
  F(u64, phys_capacity, 0)                                                                                     \
  F(u64, phys_used, 0)                                                                                         \
  F(u64, images, 0)                                                                                            \
  F(u64, worm_minimum, 0)                                                                                      \
  F(u64, worm_maximum, 0)
#define WIRE_FIELDS_lsu_label(F)                                                                               \
  F(u64, server, 0)                                                                                            \
  F(str, lsu, WIRE_MAX_NAME)                                                                                   \
  F(str, label, WIRE_MAX_NAME)

#define WIRE_FIELDS_image_create(F)                                                                            \
  F(u64, handle, 0)                                                                                            \
  F(u64, server, 0)                                                                                            \
  F(str, lsu, WIRE_MAX_NAME)                                                                                   \
  F(group, id, image_id)                                                                                       \
  F(u32, flags, 0)                                                                                             \
  F(u32, journal, 0)
#define WIRE_FIELDS_image_open(F)                                                                              \
  F(u64, handle, 0)                                                                                            \
  F(u64, server, 0)                                                                                            \
  F(str, lsu, WIRE_MAX_NAME)                                                                                   \
  F(group, id, image_id)                                                                                       \
  F(u32, mode, 0)                                                                                              \
  F(u32, journal, 0)
#define WIRE_FIELDS_image_opened(F)                                                                            \
  F(u32, chunk_bytes, 0)                                                                                       \
  F(u32, window, 0)                                                                                            \
  F(u64, first_chunk, 0)                                                                                       \
  F(group, info, image_info)
#define WIRE_FIELDS_slot_want(F)                                                                               \
  F(u64, handle, 0)                                                                                            \
  F(u64, chunk, 0)                                                                                             \
  F(u32, slot, 0)
#define WIRE_FIELDS_slot_granted(F) F(u32, present, 0)
#define WIRE_FIELDS_slot_full(F)                                                                               \
  F(u64, handle, 0)                                                                                            \
  F(u64, chunk, 0)                                                                                             \
  F(u32, slot, 0)                                                                                              \
  F(u32, length, 0)                                                                                            \
  F(u32, flags, 0)
#define WIRE_FIELDS_slot(F)                                                                                    \
  F(u64, handle, 0)                                                                                            \
  F(u32, slot, 0)
#define WIRE_FIELDS_image_error(F)                                                                             \
  F(u64, handle, 0)                                                                                            \
  F(u32, result, 0)                                                                                            \
  F(str, cause, WIRE_MAX_CAUSE)
#define WIRE_FIELDS_image(F) F(u64, handle, 0)
#define WIRE_FIELDS_image_close(F)                                                                             \
  F(u64, handle, 0)                                                                                            \
  F(u32, mode, 0)                                                                                              \
  F(u64, size, 0)
#define WIRE_FIELDS_image_closed(F) F(str, report, WIRE_MAX_CAUSE)
#define WIRE_FIELDS_image_attach(F)                                                                            \
  F(u64, handle, 0)                                                                                            \
  F(u64, server, 0)                                                                                            \
  F(str, lsu, WIRE_MAX_NAME)                                                                                   \
  F(group, id, image_id)                                                                                       \
  F(u32, mode, 0)                                                                                              \
  F(u32, journal, 0)                                                                                           \
  F(u32, chunk_bytes, 0)                                                                                       \
  F(list, slots, attach_slot)
#define WIRE_FIELDS_image_attached(F) F(u32, state, 0)
#define WIRE_FIELDS_image_read(F)                                                                              \
  F(u64, handle, 0)                                                                                            \
  F(u64, offset, 0)                                                                                            \
  F(u32, length, 0)                                                                                            \
  F(u32, slot, 0)                                                                                              \
  F(u32, hint, 0)
#define WIRE_FIELDS_image_range(F)                                                                             \
  F(u64, start, 0)                                                                                             \
  F(u32, length, 0)                                                                                            \
  F(u32, slot_offset, 0)                                                                                       \
  F(u32, flags, 0)
#define WIRE_FIELDS_image_name(F)                                                                              \
  F(u64, server, 0)                                                                                            \
  F(str, lsu, WIRE_MAX_NAME)                                                                                   \
  F(group, id, image_id)
#define WIRE_FIELDS_image_delete(F)                                                                            \
  F(u64, server, 0)                                                                                            \
  F(str, lsu, WIRE_MAX_NAME)                                                                                   \
  F(group, id, image_id)                                                                                       \
  F(u32, flags, 0)
#define WIRE_FIELDS_image_list(F)                                                                              \
  F(u64, server, 0)                                                                                            \
  F(str, lsu, WIRE_MAX_NAME)                                                                                   \
  F(u32, kinds, 0)                                                                                             \
  F(u32, max, 0)                                                                                               \
  F(str, cursor, WIRE_MAX_CAUSE)
#define WIRE_FIELDS_image_page(F)                                                                              \
  F(str, cursor, WIRE_MAX_CAUSE)                                                                               \
  F(list, images, image_entry)
#define WIRE_FIELDS_meta_write(F)                                                                              \
  F(u64, handle, 0)                                                                                            \
  F(u32, index, 0)                                                                                             \
  F(u32, slot, 0)                                                                                              \
  F(u32, length, 0)
#define WIRE_FIELDS_meta_read(F)                                                                               \
  F(u64, handle, 0)                                                                                            \
  F(u32, index, 0)                                                                                             \
  F(u32, slot, 0)
#define WIRE_FIELDS_meta_length(F) F(u32, length, 0)

#define WIRE_FIELDS_copy_start(F)                                                                              \
  F(u64, operation, 0)                                                                                         \
  F(u64, from_server, 0)                                                                                       \
  F(str, from_lsu, WIRE_MAX_NAME)                                                                              \
  F(group, from, image_id)                                                                                     \
  F(u64, to_server, 0)                                                                                         \
  F(str, to_lsu, WIRE_MAX_NAME)                                                                                \
  F(group, to, image_id)                                                                                       \
  F(u32, flags, 0)
#define WIRE_FIELDS_copy_wait(F)                                                                               \
  F(u64, operation, 0)                                                                                         \
  F(u32, timeout_ms, 0)
#define WIRE_FIELDS_copy_status(F)                                                                             \
  F(u32, state, 0)                                                                                             \
  F(u64, done, 0)                                                                                              \
  F(u64, total, 0)
#define WIRE_FIELDS_copy(F) F(u64, operation, 0)

#define WIRE_FIELDS_event_get(F)                                                                               \
  F(u64, server, 0)                                                                                            \
  F(u64, after, 0)                                                                                             \
  F(u32, timeout_ms, 0)                                                                                        \
  F(u32, max, 0)
#define WIRE_FIELDS_event_page(F)                                                                              \
  F(u64, latest, 0)                                                                                            \
  F(list, events, event)
#define WIRE_FIELDS_event_payload(F)                                                                           \
  F(u64, server, 0)                                                                                            \
  F(u64, sequence, 0)
#define WIRE_FIELDS_event_data(F) F(blob, data, WIRE_MAX_TEXT)

/* Payload layouts that messages use, so that each struct is made once. */
#define WIRE_PAYLOADS(P)                                                                                       \
  P(error)                                                                                                     \
  P(hello)                                                                                                     \
  P(hello_ok)                                                                                                  \
  P(server_open) P(server) P(server_prop) P(server_info) P(config_text) P(config_set) P(lsu_list) P(lsu_page)  \
      P(lsu_prop) P(lsu_info) P(lsu_label) P(image_create) P(image_open) P(image_opened) P(slot_want)          \
          P(slot_granted) P(slot_full) P(slot) P(image_error) P(image) P(image_close) P(image_closed)          \
              P(image_attach) P(image_attached) P(image_read) P(image_range) P(image_name) P(image_delete)     \
                  P(image_list) P(image_page) P(meta_write) P(meta_read) P(meta_length) P(copy_start)          \
                      P(copy_wait) P(copy_status) P(copy) P(event_get) P(event_page) P(event_payload)          \
                          P(event_data)

/* REQUEST(NAME, type, request payload, answer payload); NOTICE(NAME, type, payload, sender). */
#define WIRE_MESSAGES(REQUEST, NOTICE)                                                                         \
  REQUEST(HELLO, 0x0001, hello, hello_ok)                                                                      \
  REQUEST(PING, 0x0002, empty, empty)                                                                          \
  REQUEST(SERVER_OPEN, 0x0010, server_open, server_info)                                                       \
  REQUEST(SERVER_CLOSE, 0x0011, server, empty)                                                                 \
  REQUEST(SERVER_PROP, 0x0012, server_prop, server_info)                                                       \
  REQUEST(CONFIG_GET, 0x0013, server, config_text)                                                             \
  REQUEST(CONFIG_SET, 0x0014, config_set, empty)                                                               \
  REQUEST(LSU_LIST, 0x0020, lsu_list, lsu_page)                                                                \
  REQUEST(LSU_PROP, 0x0021, lsu_prop, lsu_info)                                                                \
  REQUEST(LSU_LABEL, 0x0022, lsu_label, empty)                                                                 \
  REQUEST(IMAGE_CREATE, 0x0030, image_create, image_opened)                                                    \
  REQUEST(IMAGE_OPEN, 0x0031, image_open, image_opened)                                                        \
  REQUEST(SLOT_WANT, 0x0032, slot_want, slot_granted)                                                          \
  NOTICE(SLOT_FULL, 0x0033, slot_full, plugin)                                                                 \
  NOTICE(SLOT_FREE, 0x0034, slot, engine)                                                                      \
  NOTICE(SLOT_RETURN, 0x0035, slot, plugin)                                                                    \
  NOTICE(IMAGE_ERROR, 0x0036, image_error, engine)                                                             \
  REQUEST(IMAGE_FLUSH, 0x0037, image, empty)                                                                   \
  REQUEST(IMAGE_CLOSE, 0x0038, image_close, image_closed)                                                      \
  REQUEST(IMAGE_ATTACH, 0x0039, image_attach, image_attached)                                                  \
  REQUEST(IMAGE_READ, 0x003a, image_read, image_range)                                                         \
  REQUEST(IMAGE_PROP, 0x003b, image, image_entry)                                                              \
  REQUEST(IMAGE_PROP_BYNAME, 0x003c, image_name, image_entry)                                                  \
  REQUEST(IMAGE_LIST, 0x003d, image_list, image_page)                                                          \
  REQUEST(IMAGE_DELETE, 0x003e, image_delete, empty)                                                           \
  REQUEST(META_WRITE, 0x0040, meta_write, empty)                                                               \
  REQUEST(META_READ, 0x0041, meta_read, meta_length)                                                           \
  REQUEST(COPY_START, 0x0050, copy_start, empty)                                                               \
  REQUEST(COPY_WAIT, 0x0051, copy_wait, copy_status)                                                           \
  REQUEST(COPY_CANCEL, 0x0052, copy, empty)                                                                    \
  NOTICE(COPY_RELEASE, 0x0053, copy, plugin)                                                                   \
  REQUEST(EVENT_GET, 0x0060, event_get, event_page)                                                            \
  REQUEST(EVENT_PAYLOAD, 0x0061, event_payload, event_data)

/* ---- what the lists make ---- */
struct wire_bytes {
  const uint8_t *data; /* not terminated; after decoding it points into the frame */
  uint32_t length;
};

struct wire_list {
  const void *items;   /* encoding: array of the group's structs */
  const uint8_t *raw;  /* decoding: the checked bytes, read by wire_list_next */
  uint32_t raw_length; /* decoding: bytes left */
  uint16_t count;      /* encoding: items; decoding: items left */
};

#define WIRE_MEMBER_u8(name, arg) uint8_t name;
#define WIRE_MEMBER_u16(name, arg) uint16_t name;
#define WIRE_MEMBER_u32(name, arg) uint32_t name;
#define WIRE_MEMBER_u64(name, arg) uint64_t name;
#define WIRE_MEMBER_key(name, arg) uint8_t name[16];
#define WIRE_MEMBER_chars(name, arg) char name[arg];
#define WIRE_MEMBER_str(name, arg) struct wire_bytes name;
#define WIRE_MEMBER_blob(name, arg) struct wire_bytes name;
#define WIRE_MEMBER_group(name, arg) struct wire_##arg name;
#define WIRE_MEMBER_list(name, arg) struct wire_list name;
#define WIRE_MEMBER(kind, name, arg) WIRE_MEMBER_##kind(name, arg)
#define WIRE_STRUCT(group)                                                                                     \
  struct wire_##group {                                                                                        \
    WIRE_FIELDS_##group(WIRE_MEMBER)                                                                           \
  };
WIRE_GROUPS(WIRE_STRUCT)
WIRE_PAYLOADS(WIRE_STRUCT)
/* A struct without members is not C: the empty payload has a byte that is never sent. */
struct wire_empty {
  uint8_t unused;
};

/* Message types; an answer is its request's type | WIRE_ANSWER. */
#define WIRE_ENUM_REQUEST(name, type, request, answer) WIRE_TYPE_##name = type,
#define WIRE_ENUM_NOTICE(name, type, payload, sender) WIRE_TYPE_##name = type,
enum wire_type { WIRE_MESSAGES(WIRE_ENUM_REQUEST, WIRE_ENUM_NOTICE) };

#endif
