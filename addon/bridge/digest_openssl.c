/*
 * One lane through OpenSSL, which the node executable carries and exports: the fall-back everywhere,
 * and the fastest one on processors that OpenSSL knows better than we do.
 *
 * The low-level functions are used because they allocate nothing, work while the process exits, and
 * take a state in the middle of a message. They are declared here because not every build host has
 * OpenSSL's headers; the layout has been part of its ABI since 0.9.8, and the known-answer test at
 * start-up (select.c) would catch another one.
 */
#include "implementations.h"

#include <string.h>

struct openssl_sha256 {
    uint32_t h[8];
    uint32_t low, high; /* bits so far */
    uint32_t data[16];
    unsigned buffered, digest_bytes;
};

struct openssl_md5 {
    uint32_t h[4];
    uint32_t low, high;
    uint32_t data[16];
    unsigned buffered;
};

int SHA256_Update(struct openssl_sha256 *context, const void *data, size_t bytes);
int MD5_Update(struct openssl_md5 *context, const void *data, size_t bytes);

static void sha256(uint32_t *const state[], const uint8_t *const data[], size_t blocks) {
    struct openssl_sha256 context = {.digest_bytes = SHA256_BYTES};
    memcpy(context.h, state[0], sizeof context.h);
    SHA256_Update(&context, data[0], blocks * BLOCK_BYTES);
    memcpy(state[0], context.h, sizeof context.h);
}

static void md5(uint32_t *const state[], const uint8_t *const data[], size_t blocks) {
    struct openssl_md5 context = {.buffered = 0};
    memcpy(context.h, state[0], sizeof context.h);
    MD5_Update(&context, data[0], blocks * BLOCK_BYTES);
    memcpy(state[0], context.h, sizeof context.h);
}

static bool always(void) {
    return true;
}

const struct implementation sha256_openssl = {"openssl", ALGORITHM_SHA256, 1, always, sha256};
const struct implementation md5_openssl = {"openssl", ALGORITHM_MD5, 1, always, md5};
