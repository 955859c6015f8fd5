/* What the stand-alone tests share: checks that stop the program, and repeatable random numbers. */
#ifndef VAST_OST_TEST_CHECK_H
#define VAST_OST_TEST_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                             \
    do {                                                                             \
        if (!(condition)) {                                                          \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);  \
            abort();                                                                 \
        }                                                                            \
    } while (0)

/* xorshift64*: the same numbers in every run. */
static inline uint64_t random_next(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static inline size_t random_below(uint64_t *state, size_t bound) {
    return (size_t)((random_next(state) >> 16) % bound);
}

static inline uint8_t *random_bytes(uint64_t *state, size_t bytes) {
    uint8_t *data = malloc(bytes > 0 ? bytes : 1);
    CHECK(data != NULL);
    for (size_t i = 0; i < bytes; i++) data[i] = (uint8_t)random_next(state);
    return data;
}

/* OpenSSL's one-call digests, declared here so that its headers are not needed. */
unsigned char *SHA256(const unsigned char *data, size_t bytes, unsigned char *digest);
unsigned char *MD5(const unsigned char *data, size_t bytes, unsigned char *digest);

#endif
