/*
 * Which bytes of a chunk were written: a contiguous prefix, and, only when a writer jumps ahead, a bit
 * for every 512-byte block beyond it.
 */
#ifndef VOST_COVERAGE_H
#define VOST_COVERAGE_H

#include <stdbool.h>
#include <stdint.h>

#define COVERAGE_BLOCK 512u

struct coverage {
  uint32_t length;  /* of the chunk, bytes, a multiple of COVERAGE_BLOCK */
  uint32_t prefix;  /* bytes written from the start without a gap */
  uint32_t beyond;  /* blocks written after the first gap */
  uint64_t *blocks; /* made by the first write beyond the prefix */
};

/* `present`: bytes that are there already. */
void coverage_init(struct coverage *coverage, uint32_t length, uint32_t present);

/* Note bytes [start, start + length) as written; both multiples of COVERAGE_BLOCK, inside the chunk.
   False: out of memory, nothing changed. */
bool coverage_add(struct coverage *coverage, uint32_t start, uint32_t length);

static inline bool coverage_full(const struct coverage *coverage) {
  return coverage->prefix == coverage->length;
}
/* A gap: something was written beyond bytes that were not. */
static inline bool coverage_gap(const struct coverage *coverage) {
  return coverage->beyond > 0;
}

void coverage_free(struct coverage *coverage);

#endif
