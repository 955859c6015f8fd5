/* What the parts of `ost-host bench` share. */
#ifndef VOST_HOST_BENCH_H
#define VOST_HOST_BENCH_H

#include "host.h"

/* One line: what was moved, in which time, with how much of this process's CPU time. */
void bench_print(const char *name, uint64_t bytes, double seconds, double cpu);

/* bench-read.c: images are written, then read from end to end by all streams at once, then in small pieces at random. */
int bench_read(const struct options *options);
/* bench-images.c: many small images, one after the other in each stream. */
int bench_images(const struct options *options);

#endif
