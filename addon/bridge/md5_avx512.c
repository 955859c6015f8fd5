#if defined(__x86_64__)
#include "vector_avx512.h"

#include "md5_lanes.h"

const struct implementation md5_avx512 = {"avx512", ALGORITHM_MD5, LANES, cpu_has_avx512, compress};
#endif
