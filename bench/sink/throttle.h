/* One speed limit over all connections. */
#ifndef SINK_THROTTLE_H
#define SINK_THROTTLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct throttle {
  pthread_mutex_t lock;
  pthread_cond_t stopped;
  double rate;         /* bytes per second, 0: none */
  uint64_t slow_bytes; /* the limit ends after so many bytes, 0: never */
  uint64_t taken;
  double free_at; /* when the next byte may pass, seconds of the monotonic clock */
  bool stop;
};

void throttle_init(struct throttle *throttle, double rate, uint64_t slow_bytes);
/* How many of `wanted` bytes may be read now; waits its turn first. 0 once stopped. */
uint64_t throttle_take(struct throttle *throttle, uint64_t wanted);
void throttle_stop(struct throttle *throttle);
void throttle_free(struct throttle *throttle);

#endif
