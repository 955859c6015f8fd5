#include "coverage.h"
#include <stdlib.h>

void coverage_init(struct coverage *coverage, uint32_t length, uint32_t present) {
  *coverage = (struct coverage){.length = length, .prefix = present};
}

static bool has(const struct coverage *coverage, uint32_t block) {
  return (coverage->blocks[block / 64] >> (block % 64) & 1) != 0;
}

/* Let the prefix swallow the blocks that it now reaches. */
static void advance(struct coverage *coverage, uint32_t end) {
  uint32_t block = coverage->prefix / COVERAGE_BLOCK;
  coverage->prefix = end;
  for (; coverage->beyond > 0; block++) {
    uint32_t here = block * COVERAGE_BLOCK;
    bool written = has(coverage, block);
    if (here >= coverage->prefix && !written) break;
    if (written) {
      coverage->blocks[block / 64] &= ~(UINT64_C(1) << (block % 64));
      coverage->beyond--;
    }
    if (here >= coverage->prefix) coverage->prefix = here + COVERAGE_BLOCK;
  }
}

bool coverage_add(struct coverage *coverage, uint32_t start, uint32_t length) {
  uint32_t end = start + length;
  if (end <= coverage->prefix) return true;
  if (start <= coverage->prefix) {
    advance(coverage, end);
    return true;
  }
  if (coverage->blocks == NULL) {
    coverage->blocks = calloc((coverage->length / COVERAGE_BLOCK + 63) / 64, sizeof(uint64_t));
    if (coverage->blocks == NULL) return false;
  }
  for (uint32_t block = start / COVERAGE_BLOCK; block < end / COVERAGE_BLOCK; block++) {
    if (has(coverage, block)) continue;
    coverage->blocks[block / 64] |= UINT64_C(1) << (block % 64);
    coverage->beyond++;
  }
  return true;
}

void coverage_free(struct coverage *coverage) {
  free(coverage->blocks);
  coverage->blocks = NULL;
}
