/*
 * SHA-256 with the SHA extensions. One instruction waits for the one before it, so two messages side by
 * side take little longer than one.
 */
#if defined(__x86_64__)
#include <immintrin.h>

#include "implementations.h"
#include "sha256_constants.h"

#define TARGET __attribute__((target("sha,sse4.1,ssse3")))
#define INLINE TARGET static inline __attribute__((always_inline))
#define MAX_STREAMS 2

/* The instructions want the state as the words ABEF and CDGH, the first in the highest place. */
INLINE void load_state(__m128i *abef, __m128i *cdgh, const uint32_t *state) {
    __m128i dcba = _mm_loadu_si128((const __m128i *)state);
    __m128i hgfe = _mm_loadu_si128((const __m128i *)(state + 4));
    __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1);
    __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1b);
    *abef = _mm_alignr_epi8(cdab, efgh, 8);
    *cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
}

INLINE void store_state(uint32_t *state, __m128i abef, __m128i cdgh) {
    __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
    __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* The four message words that follow the sixteen in w[0] to w[3]. */
INLINE __m128i next_words(__m128i w0, __m128i w1, __m128i w2, __m128i w3) {
    __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
    return _mm_sha256msg2_epu32(sum, w3);
}

INLINE void compress(const int streams, uint32_t *const state[], const uint8_t *const data[], size_t blocks) {
    const __m128i order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    __m128i abef[MAX_STREAMS], cdgh[MAX_STREAMS], w[MAX_STREAMS][4];
    for (int s = 0; s < streams; s++) load_state(&abef[s], &cdgh[s], state[s]);
    for (size_t offset = 0; offset < blocks * BLOCK_BYTES; offset += BLOCK_BYTES) {
        __m128i abef_before[MAX_STREAMS], cdgh_before[MAX_STREAMS];
#pragma GCC unroll 2
        for (int s = 0; s < streams; s++) {
            abef_before[s] = abef[s];
            cdgh_before[s] = cdgh[s];
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) {
                const __m128i *source = (const __m128i *)(data[s] + offset) + i;
                w[s][i] = _mm_shuffle_epi8(_mm_loadu_si128(source), order);
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            const __m128i constants = _mm_load_si128((const __m128i *)(sha256_constants + 4 * i));
#pragma GCC unroll 2
            for (int s = 0; s < streams; s++) {
                __m128i sums = _mm_add_epi32(w[s][i % 4], constants);
                cdgh[s] = _mm_sha256rnds2_epu32(cdgh[s], abef[s], sums);
                abef[s] = _mm_sha256rnds2_epu32(abef[s], cdgh[s], _mm_shuffle_epi32(sums, 0x0e));
                if (i < 12)
                    w[s][i % 4] = next_words(w[s][i % 4], w[s][(i + 1) % 4], w[s][(i + 2) % 4], w[s][(i + 3) % 4]);
            }
        }
#pragma GCC unroll 2
        for (int s = 0; s < streams; s++) {
            abef[s] = _mm_add_epi32(abef[s], abef_before[s]);
            cdgh[s] = _mm_add_epi32(cdgh[s], cdgh_before[s]);
        }
    }
    for (int s = 0; s < streams; s++) store_state(state[s], abef[s], cdgh[s]);
}

TARGET static void compress_one(uint32_t *const state[], const uint8_t *const data[], size_t blocks) {
    compress(1, state, data, blocks);
}

TARGET static void compress_two(uint32_t *const state[], const uint8_t *const data[], size_t blocks) {
    compress(2, state, data, blocks);
}

const struct implementation sha256_shani = {"shani", ALGORITHM_SHA256, 1, cpu_has_shani, compress_one};
const struct implementation sha256_shani2 = {"shani", ALGORITHM_SHA256, 2, cpu_has_shani, compress_two};
#endif
