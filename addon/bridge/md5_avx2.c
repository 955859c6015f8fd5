#if defined(__x86_64__)
#include "vector_avx2.h"

#include "md5_lanes.h"

const struct implementation md5_avx2 = {"avx2", ALGORITHM_MD5, LANES, cpu_has_avx2, compress};
#endif
