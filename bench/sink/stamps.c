#include "stamps.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

#define MAX_RUNS 65536

static uint64_t decode(const uint8_t *stamp) {
  uint64_t number = 0;
  for (int at = STAMP_BYTES - 1; at >= 0; at--) number = number << 8 | stamp[at];
  return number;
}

static void add_block(struct stamps *stamps, uint64_t number) {
  struct run *last = stamps->count > 0 ? &stamps->runs[stamps->count - 1] : NULL;
  if (last && number == last->first + last->count) {
    last->count++;
    return;
  }
  if (stamps->count == MAX_RUNS) {
    stamps->garbage = true;
    return;
  }
  if (stamps->count == stamps->room) {
    stamps->room = stamps->room ? 2 * stamps->room : 4;
    stamps->runs = must_grow(stamps->runs, stamps->room * sizeof *stamps->runs);
  }
  stamps->runs[stamps->count++] = (struct run){.first = number, .count = 1};
}

void stamps_feed(struct stamps *stamps, const uint8_t *data, size_t length) {
  while (length > 0) {
    size_t inside = (size_t)(stamps->bytes % BLOCK_BYTES);
    size_t step = inside < STAMP_BYTES ? STAMP_BYTES - inside : BLOCK_BYTES - inside;
    if (step > length) step = length;
    if (inside < STAMP_BYTES) {
      memcpy(stamps->partial + inside, data, step);
      if (inside + step == STAMP_BYTES) add_block(stamps, decode(stamps->partial));
    }
    stamps->bytes += step;
    data += step;
    length -= step;
  }
}

void stamps_free(struct stamps *stamps) {
  free(stamps->runs);
  *stamps = (struct stamps){0};
}

static int by_first(const void *a, const void *b) {
  uint64_t left = ((const struct run *)a)->first, right = ((const struct run *)b)->first;
  return left < right ? -1 : left > right;
}

/* Gaps and overlaps, which do not depend on the order of arrival. */
static void judge_numbers(struct verdict *verdict, struct run *runs, size_t count) {
  qsort(runs, count, sizeof *runs, by_first);
  verdict->first = count > 0 ? runs[0].first : 0;
  uint64_t next = verdict->first;
  for (size_t at = 0; at < count; at++) {
    uint64_t end = runs[at].first + runs[at].count;
    if (runs[at].first > next) verdict->missing += runs[at].first - next;
    else verdict->duplicates += (end < next ? end : next) - runs[at].first;
    if (end > next) next = end;
  }
}

struct verdict stamps_judge(const struct stamps *const *bodies, size_t count) {
  struct verdict verdict = {0};
  size_t total = 0, filled = 0;
  for (size_t at = 0; at < count; at++) total += bodies[at]->count;
  struct run *runs = must_alloc(total * sizeof *runs);
  for (size_t at = 0; at < count; at++) {
    const struct stamps *body = bodies[at];
    if (body->garbage || (at + 1 < count && body->bytes % BLOCK_BYTES != 0)) verdict.unaligned++;
    for (size_t nth = 0; nth < body->count; nth++) {
      const struct run *run = &body->runs[nth], *before = filled > 0 ? &runs[filled - 1] : NULL;
      if (before && run->first != before->first + before->count) verdict.disorder++;
      verdict.blocks += run->count;
      runs[filled++] = *run;
    }
  }
  judge_numbers(&verdict, runs, filled);
  free(runs);
  return verdict;
}

bool verdict_is_good(const struct verdict *verdict) {
  return verdict->missing + verdict->duplicates + verdict->disorder + verdict->unaligned == 0;
}

void ring_make(uint8_t *ring) {
  uint32_t state = 0x9e3779b9; /* xorshift32 */
  for (size_t at = 0; at < RING_BYTES; at += 4) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    for (int byte = 0; byte < 4; byte++) ring[at + (size_t)byte] = (uint8_t)(state >> (8 * byte));
  }
}

struct stamped ring_at(const uint8_t *ring, uint64_t offset, uint64_t length, uint8_t stamp[STAMP_BYTES]) {
  uint64_t number = offset / BLOCK_BYTES;
  size_t inside = (size_t)(offset % BLOCK_BYTES), all = BLOCK_BYTES - inside;
  if (length < all) all = (size_t)length;
  struct stamped next = {.data = ring + offset % RING_BYTES, .length = all};
  if (inside >= STAMP_BYTES) return next;
  for (size_t at = 0; at < STAMP_BYTES; at++) stamp[at] = (uint8_t)(number >> (8 * at));
  next.stamp = stamp + inside;
  next.stamp_length = STAMP_BYTES - inside < all ? STAMP_BYTES - inside : all;
  next.data += next.stamp_length;
  next.length -= next.stamp_length;
  return next;
}
