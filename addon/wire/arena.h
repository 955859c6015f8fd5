/*
 * The shared memory that the plugin makes (a sealed memfd) and both sides map:
 *   0                 header page
 *   4096              journal regions, journal_count × journal_bytes
 *   slots_offset      slots, slot_count × slot_bytes, at a 2 MiB boundary
 */
#ifndef VOST_WIRE_ARENA_H
#define VOST_WIRE_ARENA_H

#include <stdbool.h>
#include <stdint.h>

#define ARENA_MAGIC UINT64_C(0x314e524154534f56) /* "VOSTARN1" */
#define ARENA_VERSION 1
#define ARENA_HEADER_BYTES 4096
#define ARENA_SLOT_ALIGN (2 * 1024 * 1024)
#define ARENA_MIN_SLOT (1024 * 1024)
#define ARENA_MAX_SLOT (256 * 1024 * 1024)
#define ARENA_MIN_SLOTS 2
#define ARENA_MAX_SLOTS 4096
#define ARENA_MIN_JOURNAL (64 * 1024)
#define ARENA_MAX_JOURNAL (16 * 1024 * 1024)
#define ARENA_MAX_JOURNALS 1024

/* Sizes and places of an arena, bytes. */
struct arena_layout {
  uint64_t arena_bytes;
  uint64_t slots_offset;
  uint32_t slot_bytes;
  uint32_t slot_count;
  uint32_t journal_bytes;
  uint32_t journal_count;
};

/* What stands at offset 0, little-endian; written once by the plugin before the hello. */
struct arena_header {
  uint64_t magic;
  uint32_t version;
  uint32_t header_bytes;
  uint8_t session[16];
  uint64_t arena_bytes;
  uint64_t slots_offset;
  uint32_t slot_bytes;
  uint32_t slot_count;
  uint32_t journal_bytes;
  uint32_t journal_count;
};

/* Fill in arena_bytes and slots_offset from the four sizes. False when a size is out of bounds:
   slot_bytes a power of two, journal_bytes a multiple of 4096. */
bool arena_layout_make(struct arena_layout *layout);

/* True when the layout is the one that arena_layout_make gives for its sizes. For the engine: check
   the hello's numbers with it, then compare arena_bytes with the file's real size. */
bool arena_layout_valid(const struct arena_layout *layout);

static inline uint64_t arena_slot_offset(const struct arena_layout *layout, uint32_t slot) {
  return layout->slots_offset + (uint64_t)slot * layout->slot_bytes;
}

static inline uint64_t arena_journal_offset(const struct arena_layout *layout, uint32_t region) {
  return ARENA_HEADER_BYTES + (uint64_t)region * layout->journal_bytes;
}

#endif
