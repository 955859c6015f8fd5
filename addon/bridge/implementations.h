/* What each implementation file gives; implementations.c lists them. */
#ifndef VAST_OST_IMPLEMENTATIONS_H
#define VAST_OST_IMPLEMENTATIONS_H

#include "digest.h"

extern const struct implementation sha256_openssl, md5_openssl, xxh32_portable;
#if defined(__x86_64__)
extern const struct implementation sha256_shani, sha256_shani2, sha256_avx2, sha256_avx512, md5_avx2, md5_avx512;

bool cpu_has_shani(void);
bool cpu_has_avx2(void);
bool cpu_has_avx512(void);
#endif

#endif
