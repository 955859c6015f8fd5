/* Every implementation in turn against OpenSSL and the published vectors. */
#include "digest.h"

#include <string.h>

#include "check.h"
#include "select.h"

#define POOL_BYTES (256u * 1024u)
#define MAX_PIECES 12u

struct vector {
    enum algorithm algorithm;
    const char *text;
    unsigned repeat;
    const char *digest;
};

/* FIPS 180-4 examples (NIST CSRC), RFC 1321, A.5, and xxhsum -H0. */
static const struct vector vectors[] = {
    {ALGORITHM_SHA256, "", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {ALGORITHM_SHA256, "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {ALGORITHM_SHA256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {ALGORITHM_SHA256, "a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    {ALGORITHM_MD5, "", 1, "d41d8cd98f00b204e9800998ecf8427e"},
    {ALGORITHM_MD5, "abc", 1, "900150983cd24fb0d6963f7d28e17f72"},
    {ALGORITHM_MD5, "message digest", 1, "f96b697d7cb7938d525a2f31aaf161d0"},
    {ALGORITHM_MD5, "1234567890", 8, "57edf4a22be3c955ac49da2e2107b67a"},
    {ALGORITHM_XXH32, "", 1, "055dcc02"},
    {ALGORITHM_XXH32, "abc", 1, "ff53d132"},
    {ALGORITHM_XXH32, "message digest", 1, "9484947c"},
    {ALGORITHM_XXH32, "1234567890", 8, "75f4059c"},
    {ALGORITHM_XXH32, "a", 1000000, "205915e1"},
};

static void run_vectors(enum algorithm algorithm) {
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const struct vector *vector = &vectors[i];
        if (vector->algorithm != algorithm) continue;
        struct piece *pieces = calloc(vector->repeat, sizeof *pieces);
        CHECK(pieces != NULL);
        for (unsigned j = 0; j < vector->repeat; j++)
            pieces[j] = (struct piece){(const uint8_t *)vector->text, strlen(vector->text)};
        struct message message;
        struct message *messages[] = {&message};
        message_init(&message, algorithm, pieces, vector->repeat);
        messages_run(messages, 1, UINT64_MAX - BLOCK_BYTES + 1);
        uint8_t digest[SHA256_BYTES];
        message_digest(&message, digest);
        for (unsigned j = 0; j < digest_bytes(algorithm); j++) {
            unsigned expected;
            CHECK(sscanf(vector->digest + 2 * j, "%2x", &expected) == 1);
            CHECK(digest[j] == expected);
        }
        free(pieces);
    }
}

/* A message of random pieces, exact allocations so that reading past one shows, and its bytes in a row. */
struct sample {
    struct message message;
    struct piece pieces[MAX_PIECES];
    uint8_t *allocations[MAX_PIECES];
    unsigned count;
    uint8_t *flat;
    size_t bytes;
    bool ended;
};

static void sample_init(struct sample *sample, enum algorithm algorithm, uint64_t *seed) {
    static const size_t sizes[] = {1, 2, 55, 56, 57, 63, 64, 65, 119, 120, 128, 129, 1000, 5000};
    sample->count = (unsigned)random_below(seed, MAX_PIECES + 1);
    sample->bytes = 0;
    sample->ended = false;
    sample->flat = malloc(POOL_BYTES);
    CHECK(sample->flat != NULL);
    for (unsigned i = 0; i < sample->count; i++) {
        size_t bytes = random_below(seed, sizes[random_below(seed, sizeof sizes / sizeof *sizes)] + 1);
        size_t odd = random_below(seed, 64);
        sample->allocations[i] = random_bytes(seed, odd + bytes);
        sample->pieces[i] = (struct piece){sample->allocations[i] + odd, bytes};
        memcpy(sample->flat + sample->bytes, sample->pieces[i].data, bytes);
        sample->bytes += bytes;
    }
    message_init(&sample->message, algorithm, sample->pieces, sample->count);
}

/* OpenSSL; for XXH32, which it lacks, our own over one piece at once, so that cutting is what is tested. */
static void reference(enum algorithm algorithm, const uint8_t *data, size_t bytes, uint8_t *digest) {
    if (algorithm == ALGORITHM_SHA256) {
        SHA256(data, bytes, digest);
    } else if (algorithm == ALGORITHM_MD5) {
        MD5(data, bytes, digest);
    } else {
        struct piece piece = {data, bytes};
        struct message message, *messages[] = {&message};
        message_init(&message, algorithm, &piece, 1);
        messages_run(messages, 1, UINT64_MAX - BLOCK_BYTES + 1);
        message_digest(&message, digest);
    }
}

static void sample_check(struct sample *sample) {
    uint8_t expected[SHA256_BYTES], digest[SHA256_BYTES];
    reference(sample->message.algorithm, sample->flat, sample->bytes, expected);
    message_digest(&sample->message, digest);
    CHECK(memcmp(digest, expected, digest_bytes(sample->message.algorithm)) == 0);
    for (unsigned i = 0; i < sample->count; i++) free(sample->allocations[i]);
    free(sample->flat);
}

/* Some messages at once, in turns of some blocks, as the queue runs them. */
static void run_samples(enum algorithm algorithm, uint64_t *seed) {
    struct sample samples[MAX_LANES];
    unsigned count = 1 + (unsigned)random_below(seed, MAX_LANES);
    for (unsigned i = 0; i < count; i++) sample_init(&samples[i], algorithm, seed);
    for (;;) {
        struct message *turn[MAX_LANES];
        unsigned left = 0;
        for (unsigned i = 0; i < count; i++) {
            const uint8_t *data;
            samples[i].ended = samples[i].ended || message_next(&samples[i].message, &data) == 0;
            if (!samples[i].ended) turn[left++] = &samples[i].message;
        }
        if (left == 0) break;
        messages_run(turn, left, BLOCK_BYTES * (1 + random_below(seed, 100)));
    }
    for (unsigned i = 0; i < count; i++) sample_check(&samples[i]);
}

/* Long runs in all lanes at once, and nothing outside them written. */
static void run_long(const struct implementation *implementation, uint64_t *seed) {
    const size_t bytes = 10007 * BLOCK_BYTES;
    struct message messages[MAX_LANES], *turn[MAX_LANES];
    struct piece pieces[MAX_LANES];
    uint8_t *data = random_bytes(seed, bytes + MAX_LANES);
    for (unsigned i = 0; i < implementation->lanes; i++) {
        pieces[i] = (struct piece){data + i, bytes};
        message_init(&messages[i], implementation->algorithm, &pieces[i], 1);
        turn[i] = &messages[i];
    }
    messages_run(turn, implementation->lanes, bytes + 2 * BLOCK_BYTES);
    for (unsigned i = 0; i < implementation->lanes; i++) {
        uint8_t expected[SHA256_BYTES], digest[SHA256_BYTES];
        reference(implementation->algorithm, data + i, bytes, expected);
        message_digest(&messages[i], digest);
        CHECK(memcmp(digest, expected, digest_bytes(implementation->algorithm)) == 0);
    }
    free(data);
}

static void run_names(void) {
    CHECK(strcmp(select_init(ALGORITHM_SHA256, "sha3"), "is unknown") == 0);
    CHECK(select_init(ALGORITHM_SHA256, "auto") == NULL);
    CHECK(select_init(ALGORITHM_SHA256, "") == NULL);
    CHECK(select_init(ALGORITHM_MD5, NULL) == NULL);
    CHECK(select_init(ALGORITHM_XXH32, NULL) == NULL);
    for (size_t messages = 1; messages < 40; messages++) {
        const struct implementation *implementation = select_for(ALGORITHM_SHA256, messages);
        CHECK(implementation != NULL && implementation->algorithm == ALGORITHM_SHA256);
    }
}

int main(void) {
    uint64_t seed = 20261121;
    run_names();
    for (const struct implementation *const *next = implementations; *next != NULL; next++) {
        const struct implementation *implementation = *next;
        static const char *const names[ALGORITHM_COUNT] = {"sha256", "md5", "xxh32"};
        const char *algorithm = names[implementation->algorithm];
        if (select_init(implementation->algorithm, implementation->name) != NULL) {
            printf("%s %s: not on this processor\n", algorithm, implementation->name);
            continue;
        }
        run_vectors(implementation->algorithm);
        for (unsigned i = 0; i < 300; i++) run_samples(implementation->algorithm, &seed);
        run_long(implementation, &seed);
        printf("%s %s (%u lanes): ok\n", algorithm, implementation->name, implementation->lanes);
    }
    return 0;
}
