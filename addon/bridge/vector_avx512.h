/* Sixteen 32-bit words side by side, one of each lane: the primitives of sha256_lanes.h and md5_lanes.h. */
#ifndef VAST_OST_VECTOR_H
#define VAST_OST_VECTOR_H

#include <immintrin.h>

#include "implementations.h"

#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw")))
#define INLINE TARGET static inline __attribute__((always_inline))

typedef __m512i vec;

#define vec_rol(x, bits) _mm512_rol_epi32(x, bits)
#define vec_ror(x, bits) _mm512_ror_epi32(x, bits)
#define vec_shr(x, bits) _mm512_srli_epi32(x, bits)
#define vec_add(x, y) _mm512_add_epi32(x, y)
#define vec_all(word) _mm512_set1_epi32((int)(word))
/* The immediate is the truth table: bit x*4 + y*2 + z. */
#define vec_xor3(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0x96)
#define vec_select(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0xca)
#define vec_majority(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0xe8)
/* y ^ (x | ~z) */
#define vec_md5_i(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0x39)

INLINE vec vec_load(const uint32_t *words) {
    return _mm512_load_si512(words);
}

INLINE void vec_store(uint32_t *words, vec x) {
    _mm512_store_si512(words, x);
}

INLINE vec vec_swap_bytes(vec x) {
    const __m128i order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    return _mm512_shuffle_epi8(x, _mm512_broadcast_i32x4(order));
}

/* words[i] = word i of the 64 bytes at data[lane] + offset, for every lane: a 16x16 transposition. */
INLINE void load_words(vec words[16], const uint8_t *const data[], size_t offset) {
    vec rows[16], pairs[16];
    /* The next block of each lane: sixteen places a leaf apart are more than the processor follows by itself. */
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) _mm_prefetch((const char *)data[i] + offset + 64, _MM_HINT_T0);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) rows[i] = _mm512_loadu_si512(data[i] + offset);
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        rows[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
        rows[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
        rows[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
        rows[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
    /* Quarter q of rows[4 * g + i] now holds word 4 * q + i of the lanes 4 * g to 4 * g + 3. */
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        vec even_low = _mm512_shuffle_i32x4(rows[i], rows[4 + i], 0x88);
        vec odd_low = _mm512_shuffle_i32x4(rows[i], rows[4 + i], 0xdd);
        vec even_high = _mm512_shuffle_i32x4(rows[8 + i], rows[12 + i], 0x88);
        vec odd_high = _mm512_shuffle_i32x4(rows[8 + i], rows[12 + i], 0xdd);
        words[i] = _mm512_shuffle_i32x4(even_low, even_high, 0x88);
        words[8 + i] = _mm512_shuffle_i32x4(even_low, even_high, 0xdd);
        words[4 + i] = _mm512_shuffle_i32x4(odd_low, odd_high, 0x88);
        words[12 + i] = _mm512_shuffle_i32x4(odd_low, odd_high, 0xdd);
    }
}

#endif
