/*
 * xxHash-32 with seed 0 (github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md): the content checksum of
 * LZ4 frames. A digest against accidents, not against forgery.
 */
#include "implementations.h"

#define PRIME_1 0x9e3779b1u
#define PRIME_2 0x85ebca77u
#define PRIME_3 0xc2b2ae3du
#define PRIME_4 0x27d4eb2fu
#define PRIME_5 0x165667b1u
#define STRIPE_BYTES 16u

static uint32_t rotate(uint32_t word, unsigned bits) {
    return word << bits | word >> (32 - bits);
}

static uint32_t load(const uint8_t *data) {
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

static void stripes(uint32_t lane[4], const uint8_t *data, size_t count) {
    uint32_t a = lane[0], b = lane[1], c = lane[2], d = lane[3];
    for (; count > 0; count--, data += STRIPE_BYTES) {
        a = rotate(a + load(data) * PRIME_2, 13) * PRIME_1;
        b = rotate(b + load(data + 4) * PRIME_2, 13) * PRIME_1;
        c = rotate(c + load(data + 8) * PRIME_2, 13) * PRIME_1;
        d = rotate(d + load(data + 12) * PRIME_2, 13) * PRIME_1;
    }
    lane[0] = a, lane[1] = b, lane[2] = c, lane[3] = d;
}

static void compress(uint32_t *const state[], const uint8_t *const data[], size_t blocks) {
    stripes(state[0], data[0], blocks * (BLOCK_BYTES / STRIPE_BYTES));
}

uint32_t xxh32_finish(const uint32_t state[4], const uint8_t *tail, unsigned bytes, uint64_t total) {
    uint32_t lane[4] = {state[0], state[1], state[2], state[3]};
    unsigned whole = bytes / STRIPE_BYTES;
    stripes(lane, tail, whole);
    tail += whole * STRIPE_BYTES;
    bytes -= whole * STRIPE_BYTES;
    uint32_t hash = total < STRIPE_BYTES
                        ? PRIME_5
                        : rotate(lane[0], 1) + rotate(lane[1], 7) + rotate(lane[2], 12) + rotate(lane[3], 18);
    hash += (uint32_t)total;
    for (; bytes >= 4; bytes -= 4, tail += 4) hash = rotate(hash + load(tail) * PRIME_3, 17) * PRIME_4;
    for (; bytes > 0; bytes--, tail++) hash = rotate(hash + *tail * PRIME_5, 11) * PRIME_1;
    hash = (hash ^ hash >> 15) * PRIME_2;
    hash = (hash ^ hash >> 13) * PRIME_3;
    return hash ^ hash >> 16;
}

static bool always(void) {
    return true;
}

const struct implementation xxh32_portable = {"portable", ALGORITHM_XXH32, 1, always, compress};
