#if defined(__x86_64__)
#include "vector_avx512.h"

#include "sha256_lanes.h"

const struct implementation sha256_avx512 = {"avx512", ALGORITHM_SHA256, LANES, cpu_has_avx512, compress};
#endif
