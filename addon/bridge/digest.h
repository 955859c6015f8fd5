/* Digests of byte strings, one 64-byte block at a time, many byte strings side by side. */
#ifndef VAST_OST_DIGEST_H
#define VAST_OST_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_BYTES 64u
/* The widest implementation: AVX-512 holds 16 states of 32-bit words. */
#define MAX_LANES 16u
#define SHA256_BYTES 32u
#define MD5_BYTES 16u
#define XXH32_BYTES 4u
#define MAX_DIGEST_BYTES SHA256_BYTES

enum algorithm { ALGORITHM_SHA256, ALGORITHM_MD5, ALGORITHM_XXH32, ALGORITHM_COUNT };

/* Length of an algorithm's digest. */
unsigned digest_bytes(enum algorithm algorithm);

/* Bytes in memory that somebody else owns. */
struct piece {
    const uint8_t *data;
    size_t bytes;
};

/*
 * Advances `lanes` independent states by `blocks` whole blocks each: lane i reads blocks * 64 bytes
 * from data[i] (any alignment) into state[i] (8 words for SHA-256, 4 for the others).
 */
typedef void compress_fn(uint32_t *const state[], const uint8_t *const data[], size_t blocks);

struct implementation {
    const char *name;
    enum algorithm algorithm;
    unsigned lanes;
    bool (*supported)(void);
    compress_fn *compress;
};

/* Every implementation compiled in, ended by NULL. */
extern const struct implementation *const implementations[];

/* One byte string on its way to a digest: what is left to read, and the blocks that straddle pieces. */
struct message {
    uint32_t state[8];
    const struct piece *piece;
    size_t pieces;  /* left, the current one included */
    size_t offset;  /* read so far of the current piece */
    uint64_t total; /* read so far of the message */
    uint8_t tail[2 * BLOCK_BYTES];
    unsigned tail_bytes;
    bool padded; /* the tail holds the last blocks, or for XXH32 the last bytes */
    enum algorithm algorithm;
};

/* The pieces are read until the message is finished; the array must stay where it is. */
void message_init(struct message *message, enum algorithm algorithm, const struct piece *pieces, size_t count);

/* Where the next whole blocks lie, and how many are in one run; 0 when the message is finished. */
size_t message_next(struct message *message, const uint8_t **data);

/* The first `blocks` blocks of what message_next answered went into the state. */
void message_consume(struct message *message, size_t blocks);

/* Writes digest_bytes() bytes. Only after message_next answered 0. */
void message_digest(const struct message *message, uint8_t *digest);

/* The end of XXH32: its last `bytes` (fewer than a block) are not padded but taken as they are. */
uint32_t xxh32_finish(const uint32_t state[4], const uint8_t *tail, unsigned bytes, uint64_t total);

#endif
