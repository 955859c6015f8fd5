/* Eight 32-bit words side by side, one of each lane: the primitives of sha256_lanes.h and md5_lanes.h. */
#ifndef VAST_OST_VECTOR_H
#define VAST_OST_VECTOR_H

#include <immintrin.h>

#include "implementations.h"

#define LANES 8
#define TARGET __attribute__((target("avx2")))
#define INLINE TARGET static inline __attribute__((always_inline))

typedef __m256i vec;

#define vec_shr(x, bits) _mm256_srli_epi32(x, bits)
#define vec_rol(x, bits) _mm256_or_si256(_mm256_slli_epi32(x, bits), _mm256_srli_epi32(x, 32 - (bits)))
#define vec_ror(x, bits) vec_rol(x, 32 - (bits))
#define vec_add(x, y) _mm256_add_epi32(x, y)
#define vec_all(word) _mm256_set1_epi32((int)(word))
#define vec_xor3(x, y, z) _mm256_xor_si256(_mm256_xor_si256(x, y), z)
/* Bits of y where x is set, else of z. */
#define vec_select(x, y, z) _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z)))
#define vec_majority(x, y, z) _mm256_or_si256(_mm256_and_si256(x, y), _mm256_and_si256(z, _mm256_or_si256(x, y)))
/* y ^ (x | ~z) */
#define vec_md5_i(x, y, z) _mm256_xor_si256(y, _mm256_or_si256(x, _mm256_xor_si256(z, _mm256_set1_epi32(-1))))

INLINE vec vec_load(const uint32_t *words) {
    return _mm256_load_si256((const __m256i *)words);
}

INLINE void vec_store(uint32_t *words, vec x) {
    _mm256_store_si256((__m256i *)words, x);
}

INLINE vec vec_swap_bytes(vec x) {
    const __m128i order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    return _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(order));
}

/* words[i] = word i of the 32 bytes at data[lane] + offset, for every lane: an 8x8 transposition. */
INLINE void load_half(vec words[8], const uint8_t *const data[], size_t offset) {
    vec rows[8], pairs[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) rows[i] = _mm256_loadu_si256((const __m256i *)(data[i] + offset));
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        pairs[i] = _mm256_unpacklo_epi32(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_epi32(rows[i], rows[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        rows[i] = _mm256_unpacklo_epi64(pairs[i], pairs[i + 2]);
        rows[i + 1] = _mm256_unpackhi_epi64(pairs[i], pairs[i + 2]);
        rows[i + 2] = _mm256_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
        rows[i + 3] = _mm256_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
    /* Half h of rows[4 * g + i] now holds word 4 * h + i of the lanes 4 * g to 4 * g + 3. */
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        words[i] = _mm256_permute2x128_si256(rows[i], rows[4 + i], 0x20);
        words[4 + i] = _mm256_permute2x128_si256(rows[i], rows[4 + i], 0x31);
    }
}

INLINE void load_words(vec words[16], const uint8_t *const data[], size_t offset) {
    load_half(words, data, offset);
    load_half(words + 8, data, offset + 32);
}

#endif
