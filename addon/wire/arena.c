#include "arena.h"

_Static_assert(sizeof(struct arena_header) == 64, "the header page's layout is part of the protocol");

bool arena_layout_make(struct arena_layout *layout) {
  uint32_t slot = layout->slot_bytes;
  if (slot < ARENA_MIN_SLOT || slot > ARENA_MAX_SLOT || (slot & (slot - 1)) != 0) return false;
  if (layout->slot_count < ARENA_MIN_SLOTS || layout->slot_count > ARENA_MAX_SLOTS) return false;
  if (layout->journal_bytes < ARENA_MIN_JOURNAL || layout->journal_bytes > ARENA_MAX_JOURNAL) return false;
  if (layout->journal_bytes % 4096 != 0) return false;
  if (layout->journal_count < 1 || layout->journal_count > ARENA_MAX_JOURNALS) return false;
  uint64_t journals = ARENA_HEADER_BYTES + (uint64_t)layout->journal_bytes * layout->journal_count;
  layout->slots_offset = (journals + ARENA_SLOT_ALIGN - 1) / ARENA_SLOT_ALIGN * ARENA_SLOT_ALIGN;
  layout->arena_bytes = layout->slots_offset + (uint64_t)slot * layout->slot_count;
  return true;
}

bool arena_layout_valid(const struct arena_layout *layout) {
  struct arena_layout made = *layout;
  return arena_layout_make(&made) && made.arena_bytes == layout->arena_bytes &&
         made.slots_offset == layout->slots_offset;
}
