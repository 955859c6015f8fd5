/* Time: milliseconds of the monotonic clock. A deadline is such a time. */
#ifndef VOST_CLOCK_H
#define VOST_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_NEVER UINT64_MAX

static inline uint64_t clock_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline struct timespec clock_timespec(uint64_t deadline) {
  return (struct timespec){.tv_sec = (time_t)(deadline / 1000), .tv_nsec = (long)(deadline % 1000) * 1000000};
}

static inline uint64_t clock_earlier(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

#endif
