#include "wire-samples.h"
#include <string.h>

static uint64_t number_of(const char *name, unsigned salt) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325) + salt;
  for (; *name != 0; name++) hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
  return hash;
}

static void put(void *member, size_t width, uint64_t value) {
  if (width == 1) *(uint8_t *)member = (uint8_t)value;
  if (width == 2) memcpy(member, &(uint16_t){(uint16_t)value}, 2);
  if (width == 4) memcpy(member, &(uint32_t){(uint32_t)value}, 4);
  if (width == 8) memcpy(member, &value, 8);
}

static void *room(struct sample_pool *pool, size_t bytes) {
  bytes = (bytes + 15) / 16 * 16;
  if (pool->used + bytes > sizeof(pool->bytes)) return NULL;
  void *at = pool->bytes + pool->used;
  pool->used += bytes;
  memset(at, 0, bytes);
  return at;
}

void sample_fill(struct sample_pool *pool, const struct wire_group *group, enum sample_size size, unsigned salt,
                 void *message) {
  memset(message, 0, group->size);
  for (size_t i = 0; i < group->count; i++) {
    const struct wire_field *field = &group->fields[i];
    uint8_t *member = (uint8_t *)message + field->offset;
    uint64_t value = size == SAMPLE_EMPTY   ? 0
                     : size == SAMPLE_LARGE ? UINT64_MAX
                                            : number_of(field->name, salt);
    switch (field->kind) {
    case WIRE_KIND_u8: put(member, 1, value); break;
    case WIRE_KIND_u16: put(member, 2, value); break;
    case WIRE_KIND_u32: put(member, 4, value); break;
    case WIRE_KIND_u64: put(member, 8, value); break;
    case WIRE_KIND_key:
      for (unsigned k = 0; k < 16; k++) member[k] = (uint8_t)(value >> (k % 8 * 8));
      break;
    case WIRE_KIND_chars:
      if (size != SAMPLE_EMPTY) memcpy(member, field->name, strlen(field->name));
      break;
    case WIRE_KIND_str:
    case WIRE_KIND_blob: {
      uint32_t length = size == SAMPLE_EMPTY   ? 0
                        : size == SAMPLE_LARGE ? field->max
                                               : 3 + (uint32_t)(value % 9);
      /* Large samples of lists would not fit a frame: their strings stay short. */
      if (size == SAMPLE_LARGE && salt > 0 && length > 20) length = 20;
      uint8_t *data = length > 0 ? room(pool, length) : NULL;
      for (uint32_t k = 0; data != NULL && k < length; k++)
        data[k] = field->kind == WIRE_KIND_str ? (uint8_t)("abcdefgh-_.0123456789"[(value + k) % 21])
                                               : (uint8_t)(value + k * 7);
      *(struct wire_bytes *)(void *)member = (struct wire_bytes){data, data == NULL ? 0 : length};
      break;
    }
    case WIRE_KIND_group: sample_fill(pool, field->group, size, salt, member); break;
    case WIRE_KIND_list: {
      uint16_t count = size == SAMPLE_EMPTY ? 0 : size == SAMPLE_LARGE ? (uint16_t)field->max : 2;
      uint8_t *items = count > 0 ? room(pool, count * field->group->size) : NULL;
      for (uint16_t k = 0; items != NULL && k < count; k++)
        sample_fill(pool, field->group, size, salt + 1 + k, items + k * field->group->size);
      *(struct wire_list *)(void *)member = (struct wire_list){items, NULL, 0, items == NULL ? 0 : count};
      break;
    }
    }
  }
}

static bool same_bytes(const struct wire_bytes *a, const struct wire_bytes *b) {
  return a->length == b->length && (a->length == 0 || memcmp(a->data, b->data, a->length) == 0);
}

bool sample_same(const struct wire_group *group, const void *sample, const void *decoded) {
  for (size_t i = 0; i < group->count; i++) {
    const struct wire_field *field = &group->fields[i];
    const uint8_t *a = (const uint8_t *)sample + field->offset;
    const uint8_t *b = (const uint8_t *)decoded + field->offset;
    static const size_t widths[] = {1, 2, 4, 8};
    if (field->kind <= WIRE_KIND_u64) {
      if (memcmp(a, b, widths[field->kind]) != 0) return false;
    } else if (field->kind == WIRE_KIND_key || field->kind == WIRE_KIND_chars) {
      if (memcmp(a, b, field->max) != 0) return false;
    } else if (field->kind == WIRE_KIND_group) {
      if (!sample_same(field->group, a, b)) return false;
    } else if (field->kind == WIRE_KIND_list) {
      const struct wire_list *sent = (const struct wire_list *)(const void *)a;
      struct wire_list got = *(const struct wire_list *)(const void *)b;
      if (sent->count != got.count) return false;
      union wire_any item;
      for (const uint8_t *at = sent->items; wire_list_next(&got, field->group, &item); at += field->group->size)
        if (!sample_same(field->group, at, &item)) return false;
      if (got.raw_length != 0 || got.count != 0) return false;
    } else if (!same_bytes((const struct wire_bytes *)(const void *)a,
                           (const struct wire_bytes *)(const void *)b)) {
      return false;
    }
  }
  return true;
}
