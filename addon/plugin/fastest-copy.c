#include "fastest-copy.h"
#include "past-caches.h"
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* Shorter ones are all caches, and cost less than to measure them would. */
#define SHORTEST (64u << 10)
/* Bytes that each way is tried with. */
#define TRIAL (32u << 20)

enum way { PLAIN, PAST_CACHES, UNDECIDED };

static _Atomic uint64_t bytes[UNDECIDED], spent_ns[UNDECIDED];
static _Atomic int decided = UNDECIDED;

/* Of the processor: a busy machine stops a thread at any time, for longer than a copy takes. */
static uint64_t thread_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void copy(enum way way, void *to, const void *from, size_t length) {
  if (way == PAST_CACHES)
    copy_past_caches(to, from, length);
  else
    memcpy(to, from, length);
}

static void decide(void) {
  if (bytes[PLAIN] < TRIAL || bytes[PAST_CACHES] < TRIAL) return;
  double plain = (double)spent_ns[PLAIN] / (double)bytes[PLAIN];
  double past_caches = (double)spent_ns[PAST_CACHES] / (double)bytes[PAST_CACHES];
  decided = past_caches < plain ? PAST_CACHES : PLAIN;
}

void fastest_copy(void *to, const void *from, size_t length) {
  enum way way = length < SHORTEST ? PLAIN : (enum way)decided;
  if (way != UNDECIDED) {
    copy(way, to, from, length);
    return;
  }
  way = bytes[PAST_CACHES] < bytes[PLAIN] ? PAST_CACHES : PLAIN;
  uint64_t start = thread_ns();
  copy(way, to, from, length);
  spent_ns[way] += thread_ns() - start;
  bytes[way] += length;
  decide();
}
