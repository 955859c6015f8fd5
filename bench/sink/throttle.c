#include "throttle.h"

#include <math.h>
#include <time.h>

/* Small enough that several connections share a slow link evenly. */
#define SLICE_BYTES 65536

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void throttle_init(struct throttle *throttle, double rate, uint64_t slow_bytes) {
  *throttle = (struct throttle){.rate = rate, .slow_bytes = slow_bytes};
  pthread_mutex_init(&throttle->lock, NULL);
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&throttle->stopped, &monotonic);
  pthread_condattr_destroy(&monotonic);
}

static bool is_slow(const struct throttle *throttle) {
  return throttle->slow_bytes == 0 || throttle->taken < throttle->slow_bytes;
}

uint64_t throttle_take(struct throttle *throttle, uint64_t wanted) {
  if (throttle->rate <= 0) return wanted;
  pthread_mutex_lock(&throttle->lock);
  uint64_t granted = wanted;
  if (is_slow(throttle)) {
    if (granted > SLICE_BYTES) granted = SLICE_BYTES;
    double from = fmax(now(), throttle->free_at);
    throttle->free_at = from + (double)granted / throttle->rate;
    struct timespec until = {.tv_sec = (time_t)from, .tv_nsec = (long)((from - floor(from)) * 1e9)};
    while (!throttle->stop && is_slow(throttle) && now() < from)
      pthread_cond_timedwait(&throttle->stopped, &throttle->lock, &until);
    throttle->taken += granted;
    if (!is_slow(throttle)) pthread_cond_broadcast(&throttle->stopped);
  }
  if (throttle->stop) granted = 0;
  pthread_mutex_unlock(&throttle->lock);
  return granted;
}

void throttle_stop(struct throttle *throttle) {
  pthread_mutex_lock(&throttle->lock);
  throttle->stop = true;
  pthread_cond_broadcast(&throttle->stopped);
  pthread_mutex_unlock(&throttle->lock);
}

void throttle_free(struct throttle *throttle) {
  pthread_cond_destroy(&throttle->stopped);
  pthread_mutex_destroy(&throttle->lock);
}
