/*
 * SHA-256 (FIPS 180-4, 6.2.2) of LANES messages side by side. Included once by a file that has included
 * the primitives of its vectors before.
 */
#include "sha256_constants.h"

#define SUM0(x) vec_xor3(vec_ror(x, 2), vec_ror(x, 13), vec_ror(x, 22))
#define SUM1(x) vec_xor3(vec_ror(x, 6), vec_ror(x, 11), vec_ror(x, 25))
#define SIGMA0(x) vec_xor3(vec_ror(x, 7), vec_ror(x, 18), vec_shr(x, 3))
#define SIGMA1(x) vec_xor3(vec_ror(x, 17), vec_ror(x, 19), vec_shr(x, 10))

/* Round t + i of the 16 from t on, i and so the place in w a constant. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                                             \
    do {                                                                                             \
        vec t1 = vec_add(vec_add(h, vec_add(w[i], vec_all(constants[i]))), vec_select(e, f, g));     \
        t1 = vec_add(t1, SUM1(e));                                                                   \
        d = vec_add(d, t1);                                                                          \
        h = vec_add(t1, vec_add(SUM0(a), vec_majority(a, b, c)));                                    \
    } while (0)

#define EIGHT_ROUNDS(i)                       \
    ROUND(a, b, c, d, e, f, g, h, (i) + 0);   \
    ROUND(h, a, b, c, d, e, f, g, (i) + 1);   \
    ROUND(g, h, a, b, c, d, e, f, (i) + 2);   \
    ROUND(f, g, h, a, b, c, d, e, (i) + 3);   \
    ROUND(e, f, g, h, a, b, c, d, (i) + 4);   \
    ROUND(d, e, f, g, h, a, b, c, (i) + 5);   \
    ROUND(c, d, e, f, g, h, a, b, (i) + 6);   \
    ROUND(b, c, d, e, f, g, h, a, (i) + 7)

INLINE void compress_block(vec state[8], vec w[16]) {
    vec a = state[0], b = state[1], c = state[2], d = state[3];
    vec e = state[4], f = state[5], g = state[6], h = state[7];
    for (const uint32_t *constants = sha256_constants;; constants += 16) {
        EIGHT_ROUNDS(0);
        EIGHT_ROUNDS(8);
        if (constants == sha256_constants + 48) break;
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            w[i] = vec_add(vec_add(w[i], SIGMA0(w[(i + 1) % 16])), vec_add(w[(i + 9) % 16], SIGMA1(w[(i + 14) % 16])));
    }
    state[0] = vec_add(state[0], a);
    state[1] = vec_add(state[1], b);
    state[2] = vec_add(state[2], c);
    state[3] = vec_add(state[3], d);
    state[4] = vec_add(state[4], e);
    state[5] = vec_add(state[5], f);
    state[6] = vec_add(state[6], g);
    state[7] = vec_add(state[7], h);
}

TARGET static void compress(uint32_t *const state[], const uint8_t *const data[], size_t blocks) {
    _Alignas(64) uint32_t words[8][LANES];
    vec states[8], w[16];
    for (int lane = 0; lane < LANES; lane++)
        for (int i = 0; i < 8; i++) words[i][lane] = state[lane][i];
    for (int i = 0; i < 8; i++) states[i] = vec_load(words[i]);
    for (size_t block = 0; block < blocks; block++) {
        load_words(w, data, block * BLOCK_BYTES);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) w[i] = vec_swap_bytes(w[i]);
        compress_block(states, w);
    }
    for (int i = 0; i < 8; i++) vec_store(words[i], states[i]);
    for (int lane = 0; lane < LANES; lane++)
        for (int i = 0; i < 8; i++) state[lane][i] = words[i][lane];
}
