/* Every length around the borders of lines, pages and runs, to and from every place in a line; nothing beside is touched. */
#include "../plugin/copy-ahead.h"
#include "../plugin/past-caches.h"
#include "check.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST (5u * 16384u)
#define BESIDE 128u

static void copies(const uint8_t *from, uint8_t *to, uint8_t *expected, size_t length) {
  size_t all = LONGEST + 2 * BESIDE;
  for (size_t i = 0; i < all; i++) to[i] = expected[i] = (uint8_t)(i * 31 + 7);
  size_t place = length % 2 == 0 ? length / 2 % 64 : (length * 13) % 64;
  memcpy(expected + BESIDE + place, from + length % 64, length);
  copy_past_caches(to + BESIDE + place, from + length % 64, length);
  CHECK(memcmp(to, expected, all) == 0);
  memset(to + BESIDE + place, 0, length);
  copy_ahead(to + BESIDE + place, from + length % 64, length);
  CHECK(memcmp(to, expected, all) == 0);
}

int main(void) {
  size_t all = LONGEST + 2 * BESIDE;
  uint8_t *from = malloc(all), *to = malloc(all), *expected = malloc(all);
  uint32_t state = 1;
  CHECK(from != NULL && to != NULL && expected != NULL);
  for (size_t i = 0; i < all; i++) from[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
  for (size_t border = 0; border <= LONGEST - 70; border += 4096)
    for (size_t length = border < 70 ? 0 : border - 70; length <= border + 70; length++) copies(from, to, expected, length);
  for (unsigned i = 0; i < 500; i++) copies(from, to, expected, (state = state * 1664525u + 1013904223u) % (LONGEST - 64));
  free(from);
  free(to);
  free(expected);
  return check_done("copies");
}
