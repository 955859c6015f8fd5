#include "fastest-copy.h"
#include "copy-ahead.h"
#include "past-caches.h"
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Shorter ones are all caches, and cost less than to measure them would. */
#define SHORTEST (64u << 10)
#define MOST_WAYS 3u
/* Copies of each way that are compared: together 32 or 48 MiB with NetBackup's usual buffers. */
#define ROUNDS 64u

typedef void copy_fn(void *to, const void *from, size_t length);

static void plain(void *to, const void *from, size_t length) {
  memcpy(to, from, length);
}

struct contest {
  /* Those that leave the caches to others before those that do not. */
  copy_fn *ways[MOST_WAYS];
  uint32_t count;
  _Atomic(copy_fn *) winner;
  _Atomic uint32_t begun, ended;
  /* Picoseconds per byte. */
  uint32_t costs[MOST_WAYS][ROUNDS];
};

static struct contest to_slots = {.ways = {copy_past_caches, copy_ahead, plain}, .count = 3};
static struct contest from_slots = {.ways = {copy_ahead, plain}, .count = 2};

/* Of the processor: a busy machine stops a thread at any time, for longer than a copy takes. */
static uint64_t thread_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int by_cost(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return (left > right) - (left < right);
}

/* By medians: an interrupt in one copy takes as long as many copies. A later way has to be better by a tenth. */
static copy_fn *best_of(struct contest *contest) {
  uint32_t best = 0, least = UINT32_MAX;
  for (uint32_t way = 0; way < contest->count; way++) {
    uint32_t *costs = contest->costs[way];
    qsort(costs, ROUNDS, sizeof(*costs), by_cost);
    uint32_t middle = costs[ROUNDS / 2];
    if (middle >= least - least / 10) continue;
    best = way;
    least = middle;
  }
  return contest->ways[best];
}

/* One copy of the contest. Whoever ends the last one decides it; until then, and after a fork amid it, the others fetch ahead. */
static void compete(struct contest *contest, void *to, const void *from, size_t length) {
  uint32_t turn = atomic_load(&contest->begun);
  if (turn < contest->count * ROUNDS) turn = atomic_fetch_add(&contest->begun, 1);
  uint32_t way = turn % contest->count, round = turn / contest->count;
  if (round >= ROUNDS) {
    copy_ahead(to, from, length);
    return;
  }
  uint64_t start = thread_ns();
  contest->ways[way](to, from, length);
  uint64_t cost = (thread_ns() - start) * 1000 / length;
  contest->costs[way][round] = cost < UINT32_MAX ? (uint32_t)cost : UINT32_MAX;
  if (atomic_fetch_add(&contest->ended, 1) + 1 == contest->count * ROUNDS) contest->winner = best_of(contest);
}

void copy_to_slot(void *to, const void *from, size_t length, bool fresh) {
  copy_fn *way = to_slots.winner;
  if (length < SHORTEST || (way == NULL && fresh))
    memcpy(to, from, length);
  else if (way != NULL)
    way(to, from, length);
  else
    compete(&to_slots, to, from, length);
}

void copy_from_slot(void *to, const void *from, size_t length) {
  copy_fn *way = from_slots.winner;
  if (length < SHORTEST)
    memcpy(to, from, length);
  else if (way != NULL)
    way(to, from, length);
  else
    compete(&from_slots, to, from, length);
}
