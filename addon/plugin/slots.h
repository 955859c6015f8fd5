/* The plugin's side of the arena: the memory, which slots are free, which pages are warm. */
#ifndef VOST_SLOTS_H
#define VOST_SLOTS_H

#include "../wire/arena.h"
#include "failure.h"
#include <stddef.h>

#define SLOT_NONE UINT32_MAX

struct slots {
  int fd;        /* the sealed memfd; -1: none yet */
  uint8_t *base; /* NULL: not mapped yet */
  struct arena_layout layout;
  uint32_t *free; /* the free slots; the last one was freed last */
  uint32_t free_count;
  uint32_t *warm;    /* per slot: bytes from its start that have been touched */
  uint8_t *journals; /* per region: in use */
};

/* Make the memfd of these sizes, write its header page, seal it. */
int slots_make(struct slots *slots, uint32_t slot_bytes, uint32_t slot_count, const uint8_t session[16],
               struct failure *failure);
/* Map it, if that has not been done. */
int slots_map(struct slots *slots, struct failure *failure);
void slots_destroy(struct slots *slots);

/*
 * A free slot for `bytes` bytes, SLOT_NONE when there is none: of those warm enough the least warm, else the warmest.
 * Images with chunks of many lengths so keep each to slots of their own, and few pages are touched in all.
 */
uint32_t slots_take(struct slots *slots, uint32_t bytes);
void slots_give(struct slots *slots, uint32_t slot);
static inline uint8_t *slots_address(const struct slots *slots, uint32_t slot) {
  return slots->base + arena_slot_offset(&slots->layout, slot);
}

/* Bytes [0, end) of the slot are about to be written, and `ahead` more soon: fault cold pages in at once,
   which costs less than one fault per page. */
void slots_prepare(struct slots *slots, uint32_t slot, uint32_t end, uint32_t ahead);
/* The engine or a copy touched bytes [0, end). */
void slots_touched(struct slots *slots, uint32_t slot, uint32_t end);
/* Give the pages of free slots back, except of the `keep` warmest. */
void slots_trim(struct slots *slots, uint32_t keep);

/* A zeroed journal region, or SLOT_NONE. */
uint32_t slots_take_journal(struct slots *slots);
void slots_give_journal(struct slots *slots, uint32_t region);

#endif
