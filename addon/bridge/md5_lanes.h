/*
 * MD5 (RFC 1321, 3.4) of LANES messages side by side. Included once by a file that has included the
 * primitives of its vectors before.
 */

#define F(x, y, z) vec_select(x, y, z)
#define G(x, y, z) vec_select(z, x, y)
#define H(x, y, z) vec_xor3(x, y, z)
#define I(x, y, z) vec_md5_i(x, y, z)

#define ROUND(function, a, b, c, d, word, bits, constant) \
    a = vec_add(a, vec_add(w[word], vec_all(constant)));  \
    a = vec_add(a, function(b, c, d));                    \
    a = vec_add(b, vec_rol(a, bits))

/* Four rounds that read the words `first`, `first + step` ... (modulo 16). */
#define FOUR_ROUNDS(function, first, step, r0, r1, r2, r3, k0, k1, k2, k3)    \
    ROUND(function, a, b, c, d, (first) % 16, r0, k0);                        \
    ROUND(function, d, a, b, c, ((first) + (step)) % 16, r1, k1);             \
    ROUND(function, c, d, a, b, ((first) + 2 * (step)) % 16, r2, k2);         \
    ROUND(function, b, c, d, a, ((first) + 3 * (step)) % 16, r3, k3)

INLINE void compress_block(vec state[4], const vec w[16]) {
    vec a = state[0], b = state[1], c = state[2], d = state[3];
    FOUR_ROUNDS(F, 0, 1, 7, 12, 17, 22, 0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee);
    FOUR_ROUNDS(F, 4, 1, 7, 12, 17, 22, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501);
    FOUR_ROUNDS(F, 8, 1, 7, 12, 17, 22, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be);
    FOUR_ROUNDS(F, 12, 1, 7, 12, 17, 22, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821);
    FOUR_ROUNDS(G, 1, 5, 5, 9, 14, 20, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa);
    FOUR_ROUNDS(G, 5, 5, 5, 9, 14, 20, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8);
    FOUR_ROUNDS(G, 9, 5, 5, 9, 14, 20, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed);
    FOUR_ROUNDS(G, 13, 5, 5, 9, 14, 20, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a);
    FOUR_ROUNDS(H, 5, 3, 4, 11, 16, 23, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c);
    FOUR_ROUNDS(H, 1, 3, 4, 11, 16, 23, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70);
    FOUR_ROUNDS(H, 13, 3, 4, 11, 16, 23, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05);
    FOUR_ROUNDS(H, 9, 3, 4, 11, 16, 23, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665);
    FOUR_ROUNDS(I, 0, 7, 6, 10, 15, 21, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039);
    FOUR_ROUNDS(I, 12, 7, 6, 10, 15, 21, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1);
    FOUR_ROUNDS(I, 8, 7, 6, 10, 15, 21, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1);
    FOUR_ROUNDS(I, 4, 7, 6, 10, 15, 21, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391);
    state[0] = vec_add(state[0], a);
    state[1] = vec_add(state[1], b);
    state[2] = vec_add(state[2], c);
    state[3] = vec_add(state[3], d);
}

TARGET static void compress(uint32_t *const state[], const uint8_t *const data[], size_t blocks) {
    _Alignas(64) uint32_t words[4][LANES];
    vec states[4], w[16];
    for (int lane = 0; lane < LANES; lane++)
        for (int i = 0; i < 4; i++) words[i][lane] = state[lane][i];
    for (int i = 0; i < 4; i++) states[i] = vec_load(words[i]);
    for (size_t block = 0; block < blocks; block++) {
        load_words(w, data, block * BLOCK_BYTES);
        compress_block(states, w);
    }
    for (int i = 0; i < 4; i++) vec_store(words[i], states[i]);
    for (int lane = 0; lane < LANES; lane++)
        for (int i = 0; i < 4; i++) state[lane][i] = words[i][lane];
}
