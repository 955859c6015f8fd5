/* Sample messages for the codec's tests, the vectors and the fuzz corpus. */
#ifndef VOST_TEST_WIRE_SAMPLES_H
#define VOST_TEST_WIRE_SAMPLES_H

#include "../wire/codec.h"

/* Memory that the strings and lists of samples live in. */
struct sample_pool {
  size_t used;
  _Alignas(16) uint8_t bytes[1 << 20];
};

enum sample_size { SAMPLE_EMPTY, SAMPLE_SMALL, SAMPLE_LARGE };

/* Fill a struct of the group with values that depend on field names and `salt` only. */
void sample_fill(struct sample_pool *pool, const struct wire_group *group, enum sample_size size, unsigned salt,
                 void *message);

/* Does a decoded struct hold what the sample holds? */
bool sample_same(const struct wire_group *group, const void *sample, const void *decoded);

#endif
