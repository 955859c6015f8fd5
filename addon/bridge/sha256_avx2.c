#if defined(__x86_64__)
#include "vector_avx2.h"

#include "sha256_lanes.h"

const struct implementation sha256_avx2 = {"avx2", ALGORITHM_SHA256, LANES, cpu_has_avx2, compress};
#endif
