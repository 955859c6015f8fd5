/* What the processor can do and the system allows (the built-ins look at XCR0 as well). */
#include "implementations.h"

#if defined(__x86_64__)
#include <cpuid.h>

bool cpu_has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

bool cpu_has_avx2(void) {
    return __builtin_cpu_supports("avx2");
}

/* Leaf 7, EBX bit 29 (Intel SDM, CPUID); gcc 12 has no name for it. */
bool cpu_has_shani(void) {
    unsigned a, b, c, d;
    if (!__builtin_cpu_supports("sse4.1") || !__builtin_cpu_supports("ssse3")) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1) == 1;
}
#endif
