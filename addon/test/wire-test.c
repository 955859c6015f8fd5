/* The codec: every message there and back, every truncation and every single-byte change survives. */
#include "../wire/arena.h"
#include "../wire/codec.h"
#include "check.h"
#include "wire-samples.h"
#include <stdlib.h>
#include <string.h>

static struct sample_pool pool;
static uint8_t frame[WIRE_MAX_FRAME], again[WIRE_MAX_FRAME];

/* Decode from a block of exactly `length` bytes, so that a sanitizer sees any over-read. */
static enum wire_decode decode_exact(const uint8_t *bytes, size_t length, union wire_any *out,
                                     const struct wire_group **group, struct wire_header *header,
                                     uint8_t **copy) {
  *copy = malloc(length == 0 ? 1 : length);
  memcpy(*copy, bytes, length);
  return wire_decode(*copy, length, header, group, out, sizeof(*out));
}

static void survive(const uint8_t *bytes, size_t length) {
  union wire_any out;
  const struct wire_group *group = NULL;
  struct wire_header header;
  uint8_t *copy;
  enum wire_decode status = decode_exact(bytes, length, &out, &group, &header, &copy);
  if (status == WIRE_DECODE_OK) {
    for (size_t i = 0; i < group->count; i++) {
      if (group->fields[i].kind != WIRE_KIND_list) continue;
      struct wire_list list = *(struct wire_list *)(void *)((uint8_t *)&out + group->fields[i].offset);
      union wire_any item;
      unsigned count = list.count, seen = 0;
      while (wire_list_next(&list, group->fields[i].group, &item)) seen++;
      CHECK(seen == count);
    }
  }
  free(copy);
}

static void one(uint16_t type, uint16_t flags, const struct wire_group *group, enum sample_size size) {
  union wire_any sample, out;
  struct wire_header header;
  const struct wire_group *found = NULL;
  uint32_t id = wire_message_of(type)->answer == NULL ? 0 : 77;
  pool.used = 0;
  sample_fill(&pool, group, size, 0, &sample);
  size_t length = wire_encode(frame, sizeof(frame), type, flags, id, &sample);
  CHECK(length >= WIRE_HEADER_BYTES);
  uint8_t *copy;
  CHECK(decode_exact(frame, length, &out, &found, &header, &copy) == WIRE_DECODE_OK);
  CHECK(found == group && header.id == id && header.type == type && header.flags == flags);
  CHECK(sample_same(group, &sample, &out));
  free(copy);
  CHECK(wire_encode(again, length - 1, type, flags, id, &sample) == 0);
  if (size == SAMPLE_LARGE) return;
  for (size_t cut = 0; cut < length; cut++) {
    survive(frame, cut);
    memcpy(again, frame, cut);
    uint32_t claimed = (uint32_t)cut;
    if (cut >= 4) memcpy(again, &claimed, 4);
    CHECK(decode_exact(again, cut, &out, &found, &header, &copy) != WIRE_DECODE_OK);
    free(copy);
  }
  for (size_t at = 0; at < length; at++) {
    for (unsigned bit = 0; bit < 8; bit++) {
      frame[at] ^= (uint8_t)(1u << bit);
      survive(frame, length);
      frame[at] ^= (uint8_t)(1u << bit);
    }
  }
  memcpy(again, frame, length);
  again[length] = 0;
  uint32_t longer = (uint32_t)length + 1;
  memcpy(again, &longer, 4);
  CHECK(decode_exact(again, longer, &out, &found, &header, &copy) == WIRE_DECODE_TRAILING);
  free(copy);
}

static void random_bytes(void) {
  uint32_t state = 12345;
  for (unsigned round = 0; round < 20000; round++) {
    uint8_t bytes[200];
    for (size_t i = 0; i < sizeof(bytes); i++) {
      state = state * 1664525 + 1013904223;
      bytes[i] = (uint8_t)(state >> 24);
    }
    uint32_t length = WIRE_HEADER_BYTES + state % (sizeof(bytes) - WIRE_HEADER_BYTES);
    memcpy(bytes, &length, 4);
    uint16_t type = wire_messages[round % wire_message_count].type;
    if (round % 2 != 0) type |= WIRE_ANSWER;
    memcpy(bytes + 4, &type, 2);
    memset(bytes + 6, 0, 2);
    survive(bytes, length);
  }
}

static void bounds(void) {
  static char longest[WIRE_MAX_NAME + 2];
  memset(longest, 'x', WIRE_MAX_NAME + 1);
  struct wire_lsu_prop prop = {1, wire_text(longest)};
  CHECK(wire_encode(frame, sizeof(frame), WIRE_TYPE_LSU_PROP, 0, 1, &prop) == 0);
  prop.lsu.length = WIRE_MAX_NAME;
  CHECK(wire_encode(frame, sizeof(frame), WIRE_TYPE_LSU_PROP, 0, 1, &prop) != 0);
  prop.lsu = (struct wire_bytes){(const uint8_t *)"a\0b", 3};
  CHECK(wire_encode(frame, sizeof(frame), WIRE_TYPE_LSU_PROP, 0, 1, &prop) == 0);
  prop.lsu = wire_text("lsu");
  CHECK(wire_encode(frame, sizeof(frame), WIRE_TYPE_LSU_PROP, 0, 0, &prop) == 0);
  CHECK(wire_encode(frame, sizeof(frame), WIRE_TYPE_LSU_PROP, WIRE_FLAG_ERROR, 1, &prop) == 0);
  CHECK(wire_encode(frame, sizeof(frame), 0x7fff, 0, 1, &prop) == 0);
  CHECK(wire_encode(frame, sizeof(frame), WIRE_TYPE_SLOT_FREE | WIRE_ANSWER, 0, 1, &prop) == 0);
  char out[4];
  CHECK(!wire_copy_text(wire_text("four"), out, sizeof(out)) && strcmp(out, "fou") == 0);
  CHECK(wire_copy_text(wire_text("thr"), out, sizeof(out)) && strcmp(out, "thr") == 0);
}

static void arena(void) {
  struct arena_layout layout = {
      .slot_bytes = 64u << 20, .slot_count = 64, .journal_bytes = 1 << 20, .journal_count = 64};
  CHECK(arena_layout_make(&layout) && arena_layout_valid(&layout));
  CHECK(layout.slots_offset % ARENA_SLOT_ALIGN == 0 && layout.slots_offset >= 4096 + (64u << 20));
  CHECK(layout.arena_bytes == layout.slots_offset + (UINT64_C(4) << 30));
  struct arena_layout bad = layout;
  bad.arena_bytes++;
  CHECK(!arena_layout_valid(&bad));
  const struct arena_layout wrong[] = {
      {.slot_bytes = 3 << 20, .slot_count = 4, .journal_bytes = 1 << 16, .journal_count = 1},
      {.slot_bytes = 1u << 31, .slot_count = 4, .journal_bytes = 1 << 16, .journal_count = 1},
      {.slot_bytes = 1 << 20, .slot_count = 1, .journal_bytes = 1 << 16, .journal_count = 1},
      {.slot_bytes = 1 << 20, .slot_count = 4097, .journal_bytes = 1 << 16, .journal_count = 1},
      {.slot_bytes = 1 << 20, .slot_count = 4, .journal_bytes = 65537, .journal_count = 1},
      {.slot_bytes = 1 << 20, .slot_count = 4, .journal_bytes = 1 << 16, .journal_count = 0},
      {.slot_bytes = 0, .slot_count = 0, .journal_bytes = 0, .journal_count = 0},
  };
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    bad = wrong[i];
    CHECK(!arena_layout_make(&bad));
  }
  bad = (struct arena_layout){
      .slot_bytes = 1 << 28, .slot_count = 4096, .journal_bytes = 1 << 24, .journal_count = 1024};
  CHECK(arena_layout_make(&bad) && bad.arena_bytes > (UINT64_C(1) << 40));
}

int main(void) {
  for (size_t i = 0; i < wire_message_count; i++) {
    const struct wire_message *message = &wire_messages[i];
    for (int size = SAMPLE_EMPTY; size <= SAMPLE_LARGE; size++) {
      one(message->type, 0, message->request, size);
      if (message->answer == NULL) continue;
      one(message->type, WIRE_FLAG_RESEND, message->request, size);
      one(message->type | WIRE_ANSWER, 0, message->answer, size);
      one(message->type | WIRE_ANSWER, WIRE_FLAG_ERROR, wire_error_group, size);
    }
  }
  struct wire_hello hello = {0};
  CHECK(wire_encode(frame, sizeof(frame), WIRE_TYPE_HELLO, 0, 1, &hello) == WIRE_HELLO_BYTES);
  bounds();
  random_bytes();
  arena();
  return check_done("wire");
}
