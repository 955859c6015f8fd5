/* The tables that messages.h describes. */
#include "codec.h"

/* Most entries that a list of a group may have. */
enum {
  LIST_MAX_name = WIRE_MAX_NAMES,
  LIST_MAX_image_entry = WIRE_MAX_IMAGES,
  LIST_MAX_attach_slot = WIRE_MAX_IMAGE_SLOTS,
  LIST_MAX_event = WIRE_MAX_EVENTS,
};

#define ENTRY(kind, name, arg) ENTRY_##kind(name, arg)
#define ENTRY_PLAIN(kind, name, max) {#name, WIRE_KIND_##kind, max, offsetof(struct OWNER, name), NULL},
#define ENTRY_u8(name, arg) ENTRY_PLAIN(u8, name, 0)
#define ENTRY_u16(name, arg) ENTRY_PLAIN(u16, name, 0)
#define ENTRY_u32(name, arg) ENTRY_PLAIN(u32, name, 0)
#define ENTRY_u64(name, arg) ENTRY_PLAIN(u64, name, 0)
#define ENTRY_key(name, arg) ENTRY_PLAIN(key, name, 16)
#define ENTRY_chars(name, arg) ENTRY_PLAIN(chars, name, arg)
#define ENTRY_str(name, arg) ENTRY_PLAIN(str, name, arg)
#define ENTRY_blob(name, arg) ENTRY_PLAIN(blob, name, arg)
#define ENTRY_group(name, arg) {#name, WIRE_KIND_group, 0, offsetof(struct OWNER, name), &wire_group_##arg},
#define ENTRY_list(name, arg)                                                                                  \
  {#name, WIRE_KIND_list, LIST_MAX_##arg, offsetof(struct OWNER, name), &wire_group_##arg},

#define OWNER wire_image_id
static const struct wire_field fields_image_id[] = {WIRE_FIELDS_image_id(ENTRY)};
#undef OWNER
#define OWNER wire_image_info
static const struct wire_field fields_image_info[] = {WIRE_FIELDS_image_info(ENTRY)};
#undef OWNER
#define OWNER wire_name
static const struct wire_field fields_name[] = {WIRE_FIELDS_name(ENTRY)};
#undef OWNER
#define OWNER wire_image_entry
static const struct wire_field fields_image_entry[] = {WIRE_FIELDS_image_entry(ENTRY)};
#undef OWNER
#define OWNER wire_attach_slot
static const struct wire_field fields_attach_slot[] = {WIRE_FIELDS_attach_slot(ENTRY)};
#undef OWNER
#define OWNER wire_event
static const struct wire_field fields_event[] = {WIRE_FIELDS_event(ENTRY)};
#undef OWNER
#define OWNER wire_error
static const struct wire_field fields_error[] = {WIRE_FIELDS_error(ENTRY)};
#undef OWNER
#define OWNER wire_hello
static const struct wire_field fields_hello[] = {WIRE_FIELDS_hello(ENTRY)};
#undef OWNER
#define OWNER wire_hello_ok
static const struct wire_field fields_hello_ok[] = {WIRE_FIELDS_hello_ok(ENTRY)};
#undef OWNER
#define OWNER wire_server_open
static const struct wire_field fields_server_open[] = {WIRE_FIELDS_server_open(ENTRY)};
#undef OWNER
#define OWNER wire_server
static const struct wire_field fields_server[] = {WIRE_FIELDS_server(ENTRY)};
#undef OWNER
#define OWNER wire_server_prop
static const struct wire_field fields_server_prop[] = {WIRE_FIELDS_server_prop(ENTRY)};
#undef OWNER
#define OWNER wire_server_info
static const struct wire_field fields_server_info[] = {WIRE_FIELDS_server_info(ENTRY)};
#undef OWNER
#define OWNER wire_config_text
static const struct wire_field fields_config_text[] = {WIRE_FIELDS_config_text(ENTRY)};
#undef OWNER
#define OWNER wire_config_set
static const struct wire_field fields_config_set[] = {WIRE_FIELDS_config_set(ENTRY)};
#undef OWNER
#define OWNER wire_lsu_list
static const struct wire_field fields_lsu_list[] = {WIRE_FIELDS_lsu_list(ENTRY)};
#undef OWNER
#define OWNER wire_lsu_page
static const struct wire_field fields_lsu_page[] = {WIRE_FIELDS_lsu_page(ENTRY)};
#undef OWNER
#define OWNER wire_lsu_prop
static const struct wire_field fields_lsu_prop[] = {WIRE_FIELDS_lsu_prop(ENTRY)};
#undef OWNER
#define OWNER wire_lsu_info
static const struct wire_field fields_lsu_info[] = {WIRE_FIELDS_lsu_info(ENTRY)};
#undef OWNER
#define OWNER wire_lsu_label
static const struct wire_field fields_lsu_label[] = {WIRE_FIELDS_lsu_label(ENTRY)};
#undef OWNER
#define OWNER wire_image_create
static const struct wire_field fields_image_create[] = {WIRE_FIELDS_image_create(ENTRY)};
#undef OWNER
#define OWNER wire_image_open
static const struct wire_field fields_image_open[] = {WIRE_FIELDS_image_open(ENTRY)};
#undef OWNER
#define OWNER wire_image_opened
static const struct wire_field fields_image_opened[] = {WIRE_FIELDS_image_opened(ENTRY)};
#undef OWNER
#define OWNER wire_slot_want
static const struct wire_field fields_slot_want[] = {WIRE_FIELDS_slot_want(ENTRY)};
#undef OWNER
#define OWNER wire_slot_granted
static const struct wire_field fields_slot_granted[] = {WIRE_FIELDS_slot_granted(ENTRY)};
#undef OWNER
#define OWNER wire_slot_full
static const struct wire_field fields_slot_full[] = {WIRE_FIELDS_slot_full(ENTRY)};
#undef OWNER
#define OWNER wire_slot
static const struct wire_field fields_slot[] = {WIRE_FIELDS_slot(ENTRY)};
#undef OWNER
#define OWNER wire_image_error
static const struct wire_field fields_image_error[] = {WIRE_FIELDS_image_error(ENTRY)};
#undef OWNER
#define OWNER wire_image
static const struct wire_field fields_image[] = {WIRE_FIELDS_image(ENTRY)};
#undef OWNER
#define OWNER wire_image_close
static const struct wire_field fields_image_close[] = {WIRE_FIELDS_image_close(ENTRY)};
#undef OWNER
#define OWNER wire_image_closed
static const struct wire_field fields_image_closed[] = {WIRE_FIELDS_image_closed(ENTRY)};
#undef OWNER
#define OWNER wire_image_attach
static const struct wire_field fields_image_attach[] = {WIRE_FIELDS_image_attach(ENTRY)};
#undef OWNER
#define OWNER wire_image_attached
static const struct wire_field fields_image_attached[] = {WIRE_FIELDS_image_attached(ENTRY)};
#undef OWNER
#define OWNER wire_image_read
static const struct wire_field fields_image_read[] = {WIRE_FIELDS_image_read(ENTRY)};
#undef OWNER
#define OWNER wire_image_range
static const struct wire_field fields_image_range[] = {WIRE_FIELDS_image_range(ENTRY)};
#undef OWNER
#define OWNER wire_image_name
static const struct wire_field fields_image_name[] = {WIRE_FIELDS_image_name(ENTRY)};
#undef OWNER
#define OWNER wire_image_delete
static const struct wire_field fields_image_delete[] = {WIRE_FIELDS_image_delete(ENTRY)};
#undef OWNER
#define OWNER wire_image_list
static const struct wire_field fields_image_list[] = {WIRE_FIELDS_image_list(ENTRY)};
#undef OWNER
#define OWNER wire_image_page
static const struct wire_field fields_image_page[] = {WIRE_FIELDS_image_page(ENTRY)};
#undef OWNER
#define OWNER wire_meta_write
static const struct wire_field fields_meta_write[] = {WIRE_FIELDS_meta_write(ENTRY)};
#undef OWNER
#define OWNER wire_meta_read
static const struct wire_field fields_meta_read[] = {WIRE_FIELDS_meta_read(ENTRY)};
#undef OWNER
#define OWNER wire_meta_length
static const struct wire_field fields_meta_length[] = {WIRE_FIELDS_meta_length(ENTRY)};
#undef OWNER
#define OWNER wire_copy_start
static const struct wire_field fields_copy_start[] = {WIRE_FIELDS_copy_start(ENTRY)};
#undef OWNER
#define OWNER wire_copy_wait
static const struct wire_field fields_copy_wait[] = {WIRE_FIELDS_copy_wait(ENTRY)};
#undef OWNER
#define OWNER wire_copy_status
static const struct wire_field fields_copy_status[] = {WIRE_FIELDS_copy_status(ENTRY)};
#undef OWNER
#define OWNER wire_copy
static const struct wire_field fields_copy[] = {WIRE_FIELDS_copy(ENTRY)};
#undef OWNER
#define OWNER wire_event_get
static const struct wire_field fields_event_get[] = {WIRE_FIELDS_event_get(ENTRY)};
#undef OWNER
#define OWNER wire_event_page
static const struct wire_field fields_event_page[] = {WIRE_FIELDS_event_page(ENTRY)};
#undef OWNER
#define OWNER wire_event_payload
static const struct wire_field fields_event_payload[] = {WIRE_FIELDS_event_payload(ENTRY)};
#undef OWNER
#define OWNER wire_event_data
static const struct wire_field fields_event_data[] = {WIRE_FIELDS_event_data(ENTRY)};
#undef OWNER

#define GROUP(group)                                                                                           \
  const struct wire_group wire_group_##group = {#group, sizeof(struct wire_##group),                           \
                                                sizeof(fields_##group) / sizeof(fields_##group[0]),            \
                                                fields_##group};
WIRE_GROUPS(GROUP)
WIRE_PAYLOADS(GROUP)
const struct wire_group wire_group_empty = {"empty", sizeof(struct wire_empty), 0, NULL};
const struct wire_group *const wire_error_group = &wire_group_error;

#define SENDER_plugin false
#define SENDER_engine true
#define REQUEST(name, type, request, answer) {#name, type, &wire_group_##request, &wire_group_##answer, false},
#define NOTICE(name, type, payload, sender) {#name, type, &wire_group_##payload, NULL, SENDER_##sender},
const struct wire_message wire_messages[] = {WIRE_MESSAGES(REQUEST, NOTICE)};
const size_t wire_message_count = sizeof(wire_messages) / sizeof(wire_messages[0]);

const struct wire_message *wire_message_of(uint16_t type) {
  uint16_t plain = type & (uint16_t)~WIRE_ANSWER;
  for (size_t i = 0; i < wire_message_count; i++)
    if (wire_messages[i].type == plain) return &wire_messages[i];
  return NULL;
}

const struct wire_group *wire_payload_group(const struct wire_header *header) {
  const struct wire_message *message = wire_message_of(header->type);
  if (message == NULL) return NULL;
  if ((header->type & WIRE_ANSWER) == 0) return message->request;
  if (message->answer == NULL) return NULL;
  return (header->flags & WIRE_FLAG_ERROR) != 0 ? wire_error_group : message->answer;
}
