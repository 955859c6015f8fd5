#include "digest.h"

#include <string.h>

static const uint32_t initial_state[ALGORITHM_COUNT][8] = {
    /* FIPS 180-4, 5.3.3 */
    [ALGORITHM_SHA256] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
                          0x5be0cd19},
    /* RFC 1321, 3.3 */
    [ALGORITHM_MD5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0, 0, 0, 0},
    /* Seed 0: the sum of the first two primes, the second one, 0, minus the first one. */
    [ALGORITHM_XXH32] = {0x24234428, 0x85ebca77, 0, 0x61c8864f, 0, 0, 0, 0},
};

unsigned digest_bytes(enum algorithm algorithm) {
    static const unsigned bytes[ALGORITHM_COUNT] = {SHA256_BYTES, MD5_BYTES, XXH32_BYTES};
    return bytes[algorithm];
}

void message_init(struct message *message, enum algorithm algorithm, const struct piece *pieces, size_t count) {
    memset(message, 0, sizeof *message);
    memcpy(message->state, initial_state[algorithm], sizeof message->state);
    message->algorithm = algorithm;
    message->piece = pieces;
    message->pieces = count;
}

/* SHA-256 counts its bits big-endian, MD5 little-endian; the rest of the padding is the same. */
static void pad(struct message *message) {
    message->padded = true;
    if (message->algorithm == ALGORITHM_XXH32) return;
    unsigned used = message->tail_bytes;
    unsigned size = used + 9 <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;
    uint64_t bits = message->total * 8;
    message->tail[used] = 0x80;
    memset(message->tail + used + 1, 0, size - used - 1);
    for (unsigned i = 0; i < 8; i++) {
        unsigned shift = message->algorithm == ALGORITHM_SHA256 ? 56 - 8 * i : 8 * i;
        message->tail[size - 8 + i] = (uint8_t)(bits >> shift);
    }
    message->tail_bytes = size;
}

static void advance(struct message *message, size_t bytes) {
    message->offset += bytes;
    message->total += bytes;
    if (message->offset == message->piece->bytes) {
        message->piece++;
        message->pieces--;
        message->offset = 0;
    }
}

size_t message_next(struct message *message, const uint8_t **data) {
    *data = message->tail;
    if (message->padded) return message->tail_bytes / BLOCK_BYTES;
    while (message->tail_bytes < BLOCK_BYTES) {
        if (message->pieces == 0) {
            pad(message);
            break;
        }
        size_t left = message->piece->bytes - message->offset;
        if (message->tail_bytes == 0 && left >= BLOCK_BYTES) {
            *data = message->piece->data + message->offset;
            return left / BLOCK_BYTES;
        }
        size_t take = BLOCK_BYTES - message->tail_bytes;
        if (take > left) take = left;
        if (take > 0) memcpy(message->tail + message->tail_bytes, message->piece->data + message->offset, take);
        message->tail_bytes += (unsigned)take;
        advance(message, take);
    }
    return message->tail_bytes / BLOCK_BYTES;
}

void message_consume(struct message *message, size_t blocks) {
    size_t bytes = blocks * BLOCK_BYTES;
    if (message->tail_bytes == 0) {
        advance(message, bytes);
        return;
    }
    message->tail_bytes -= (unsigned)bytes;
    memmove(message->tail, message->tail + bytes, message->tail_bytes);
}

void message_digest(const struct message *message, uint8_t *digest) {
    bool big_endian = message->algorithm == ALGORITHM_SHA256;
    unsigned bytes = digest_bytes(message->algorithm);
    uint32_t words[8];
    memcpy(words, message->state, sizeof words);
    if (message->algorithm == ALGORITHM_XXH32)
        words[0] = xxh32_finish(message->state, message->tail, message->tail_bytes, message->total);
    for (unsigned i = 0; i < bytes; i++) {
        unsigned shift = 8 * (big_endian ? 3 - i % 4 : i % 4);
        digest[i] = (uint8_t)(words[i / 4] >> shift);
    }
}
