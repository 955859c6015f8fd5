/* Coverage against a plain byte map, with random writes. */
#include "../plugin/coverage.h"
#include "check.h"
#include <stdlib.h>
#include <string.h>

#define LENGTH (256u * COVERAGE_BLOCK)

static uint32_t random_state = 1;
static uint32_t next_random(uint32_t bound) {
  random_state = random_state * 1664525u + 1013904223u;
  return (random_state >> 8) % bound;
}

static bool same(const struct coverage *coverage, const uint8_t *map) {
  uint32_t prefix = 0, beyond = 0;
  while (prefix < 256 && map[prefix]) prefix++;
  for (uint32_t i = prefix; i < 256; i++) beyond += map[i];
  return coverage->prefix == prefix * COVERAGE_BLOCK && coverage->beyond == beyond &&
         coverage_gap(coverage) == (beyond > 0) && coverage_full(coverage) == (prefix == 256);
}

static void random_writes(uint32_t present) {
  struct coverage coverage;
  uint8_t map[256] = {0};
  memset(map, 1, present / COVERAGE_BLOCK);
  coverage_init(&coverage, LENGTH, present);
  for (unsigned i = 0; i < 400; i++) {
    uint32_t start = next_random(256), length = 1 + next_random(next_random(8) == 0 ? 256 - start : 12);
    if (start + length > 256) length = 256 - start;
    CHECK(coverage_add(&coverage, start * COVERAGE_BLOCK, length * COVERAGE_BLOCK));
    memset(map + start, 1, length);
    CHECK(same(&coverage, map));
  }
  coverage_free(&coverage);
}

int main(void) {
  struct coverage coverage;
  coverage_init(&coverage, LENGTH, 0);
  for (uint32_t at = 0; at < LENGTH; at += 4096) CHECK(coverage_add(&coverage, at, 4096));
  /* A sequential writer needs no map. */
  CHECK(coverage_full(&coverage) && coverage.blocks == NULL);
  CHECK(coverage_add(&coverage, 512, 512) && coverage_full(&coverage));
  coverage_free(&coverage);

  coverage_init(&coverage, LENGTH, 0);
  for (uint32_t at = LENGTH; at > 0; at -= 512)
    CHECK(coverage_add(&coverage, at - 512, 512) && coverage_full(&coverage) == (at == 512));
  CHECK(!coverage_gap(&coverage));
  coverage_free(&coverage);

  for (unsigned round = 0; round < 60; round++) random_writes(round % 3 * 7 * COVERAGE_BLOCK);
  return check_done("coverage");
}
