#include "implementations.h"

const struct implementation *const implementations[] = {
#if defined(__x86_64__)
    &sha256_avx512, &sha256_avx2, &sha256_shani2, &sha256_shani, &md5_avx512, &md5_avx2,
#endif
    &sha256_openssl, &md5_openssl, &xxh32_portable, NULL,
};
