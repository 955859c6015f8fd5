/*
 * wire-vectors json   writes the test vectors (addon/wire/vectors.json) to stdout
 * wire-vectors tables writes the message tables of docs/engine-protocol.md to stdout
 */
#include "../wire/codec.h"
#include "wire-samples.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct sample_pool pool;
static uint8_t frame[WIRE_MAX_FRAME];
static bool first;

static void hex(const uint8_t *bytes, size_t length) {
  putchar('"');
  for (size_t i = 0; i < length; i++) printf("%02x", bytes[i]);
  putchar('"');
}

static void print_fields(const struct wire_group *group, const void *message);

static void print_list(const struct wire_field *field, const struct wire_list *list) {
  putchar('[');
  const uint8_t *item = list->items;
  for (unsigned i = 0; i < list->count; i++, item += field->group->size) {
    if (i > 0) printf(", ");
    print_fields(field->group, item);
  }
  putchar(']');
}

/* Samples hold no character that JSON escapes. u64 as a decimal string, bytes as hex. */
static void print_field(const struct wire_field *field, const uint8_t *member) {
  uint16_t v16;
  uint32_t v32;
  uint64_t v64;
  switch (field->kind) {
  case WIRE_KIND_u8: printf("%u", *member); break;
  case WIRE_KIND_u16: memcpy(&v16, member, 2), printf("%u", v16); break;
  case WIRE_KIND_u32: memcpy(&v32, member, 4), printf("%" PRIu32, v32); break;
  case WIRE_KIND_u64: memcpy(&v64, member, 8), printf("\"%" PRIu64 "\"", v64); break;
  case WIRE_KIND_key: hex(member, 16); break;
  case WIRE_KIND_chars: printf("\"%.*s\"", (int)field->max, (const char *)member); break;
  case WIRE_KIND_group: print_fields(field->group, member); break;
  case WIRE_KIND_list: print_list(field, (const struct wire_list *)(const void *)member); break;
  case WIRE_KIND_str:
  case WIRE_KIND_blob: {
    const struct wire_bytes *bytes = (const struct wire_bytes *)(const void *)member;
    if (field->kind == WIRE_KIND_blob)
      hex(bytes->data, bytes->length);
    else
      printf("\"%.*s\"", (int)bytes->length, (const char *)bytes->data);
  }
  }
}

static void print_fields(const struct wire_group *group, const void *message) {
  putchar('{');
  for (size_t i = 0; i < group->count; i++) {
    if (i > 0) printf(", ");
    printf("\"%s\": ", group->fields[i].name);
    print_field(&group->fields[i], (const uint8_t *)message + group->fields[i].offset);
  }
  putchar('}');
}

static size_t print_valid(const struct wire_message *message, const char *side, uint16_t type, uint16_t flags,
                          const struct wire_group *group, enum sample_size size) {
  union wire_any sample;
  uint32_t id = message->answer == NULL ? 0 : 0x01020300u + message->type;
  pool.used = 0;
  sample_fill(&pool, group, size, 0, &sample);
  size_t length = wire_encode(frame, sizeof(frame), type, flags, id, &sample);
  printf("%s\n    {\"name\": \"%s\", \"side\": \"%s\", \"layout\": \"%s\", \"type\": %u, \"flags\": %u, "
         "\"id\": %u, \"fields\": ",
         first ? "" : ",", message->name, side, group->name, type, flags, id);
  first = false;
  print_fields(group, &sample);
  printf(", \"hex\": ");
  hex(frame, length);
  putchar('}');
  return length;
}

static void print_invalid(size_t length) {
  union wire_any out;
  struct wire_header header;
  const struct wire_group *group;
  enum wire_decode status = wire_decode(frame, length, &header, &group, &out, sizeof(out));
  printf("%s\n    {\"why\": \"%s\", \"hex\": ", first ? "" : ",", wire_decode_text(status));
  first = false;
  hex(frame, length);
  putchar('}');
}

/* One frame for each way to be wrong, made from LSU_PROP (u64 server, str lsu). */
static size_t base(void) {
  struct wire_lsu_prop prop = {5, wire_text("lsu-one")};
  return wire_encode(frame, sizeof(frame), WIRE_TYPE_LSU_PROP, 0, 9, &prop);
}

static void invalid(void) {
  size_t length = base();
  print_invalid(length - 1);
  length = base(), frame[0] = (uint8_t)(length - 1), print_invalid(length - 1);
  length = base(), frame[0] = (uint8_t)(length + 1), frame[length] = 0, print_invalid(length + 1);
  length = base(), frame[4] = 0xff, print_invalid(length);
  length = base(), frame[5] = 0x80, frame[4] = 0x33, print_invalid(length);
  length = base(), frame[6] = WIRE_FLAG_ERROR, print_invalid(length);
  length = base(), memset(frame + 8, 0, 4), print_invalid(length);
  length = base(), frame[21] = 0x01, print_invalid(length);
  length = base(), frame[24] = 0, print_invalid(length);
  length = base(), frame[20] = 6, print_invalid(length);
}

static void json(void) {
  printf("{\n  \"protocol\": {\"major\": %d, \"minor\": %d},\n  \"valid\": [", WIRE_MAJOR, WIRE_MINOR);
  first = true;
  for (size_t i = 0; i < wire_message_count; i++) {
    const struct wire_message *message = &wire_messages[i];
    for (int size = SAMPLE_EMPTY; size <= SAMPLE_SMALL; size++) {
      print_valid(message, message->answer == NULL ? "notice" : "request", message->type, 0, message->request,
                  size);
      if (message->answer != NULL)
        print_valid(message, "answer", message->type | WIRE_ANSWER, 0, message->answer, size);
    }
    if (message->answer != NULL)
      print_valid(message, "error", message->type | WIRE_ANSWER, WIRE_FLAG_ERROR, wire_error_group,
                  SAMPLE_SMALL);
  }
  printf("\n  ],\n  \"invalid\": [");
  first = true;
  invalid();
  printf("\n  ]\n}\n");
}

static void table_of(const struct wire_group *group) {
  static const char *const kinds[] = {"u8",    "u16", "u32",  "u64",   "key",
                                      "chars", "str", "blob", "group", "list"};
  printf("`%s`:", group->name);
  for (size_t i = 0; i < group->count; i++) {
    const struct wire_field *field = &group->fields[i];
    printf("%s %s ", i > 0 ? "," : "", field->name);
    if (field->kind == WIRE_KIND_group)
      printf("`%s`", field->group->name);
    else if (field->kind == WIRE_KIND_list)
      printf("list(`%s`, %u)", field->group->name, field->max);
    else if (field->kind >= WIRE_KIND_chars)
      printf("%s(%u)", kinds[field->kind], field->max);
    else
      printf("%s", kinds[field->kind]);
  }
  puts(group->count == 0 ? " no fields\n" : "\n");
}

#define TABLE(group) table_of(&wire_group_##group);

static void tables(void) {
  puts("| type | message | from | payload | answer |\n|---|---|---|---|---|");
  for (size_t i = 0; i < wire_message_count; i++) {
    const struct wire_message *m = &wire_messages[i];
    printf("| 0x%04x | %s | %s | `%s` | ", m->type, m->name, m->from_engine ? "engine" : "plugin",
           m->request->name);
    printf(m->answer == NULL ? "none |\n" : "`%s` |\n", m->answer == NULL ? "" : m->answer->name);
  }
  puts("");
  table_of(&wire_group_empty);
  WIRE_GROUPS(TABLE)
  WIRE_PAYLOADS(TABLE)
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "json") == 0)
    json();
  else if (argc == 2 && strcmp(argv[1], "tables") == 0)
    tables();
  else
    return fprintf(stderr, "usage: wire-vectors json|tables\n"), 2;
  return 0;
}
