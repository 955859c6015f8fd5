/*
 * Calibration. What an implementation costs is the time of one step (one block in every lane), so the
 * price of n messages follows for any n: step / min(n, lanes) per message and block. Measured once per
 * process in a few milliseconds, by processor time so that neighbours disturb it little.
 */
#include "select.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

/*
 * About 0.1 ms per round, and a dozen of them: some processors need half a millisecond before wide vectors
 * run at full speed, and a round must be long beside the reading of the clock.
 */
#define SAMPLE_BLOCKS 256u
#define SAMPLE_ROUNDS 12u
#define MAX_IMPLEMENTATIONS 8u

struct selection {
    const struct implementation *candidates[MAX_IMPLEMENTATIONS];
    unsigned count;
    /* chosen[n - 1] serves n messages. */
    const struct implementation *chosen[MAX_LANES];
    atomic_bool calibrated;
};

static struct selection selections[ALGORITHM_COUNT];
static pthread_mutex_t calibrating = PTHREAD_MUTEX_INITIALIZER;

/*
 * The digest of one block, in every lane: "abc" padded (FIPS 180-4 examples; RFC 1321, A.5), and for XXH32,
 * which pads nothing, 64 zeros.
 */
static bool answers_right(const struct implementation *implementation) {
    static const uint8_t expected[ALGORITHM_COUNT][SHA256_BYTES] = {
        [ALGORITHM_SHA256] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                              0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                              0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad},
        [ALGORITHM_MD5] = {0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2, 0x4f, 0xb0, 0xd6, 0x96, 0x3f, 0x7d, 0x28, 0xe1, 0x7f,
                           0x72},
        [ALGORITHM_XXH32] = {0x90, 0x87, 0x32, 0x56},
    };
    static const uint8_t zeros[BLOCK_BYTES];
    const struct piece abc = {(const uint8_t *)"abc", 3}, block = {zeros, sizeof zeros};
    const struct piece *piece = implementation->algorithm == ALGORITHM_XXH32 ? &block : &abc;
    struct message messages[MAX_LANES];
    uint32_t *state[MAX_LANES];
    const uint8_t *data[MAX_LANES];
    for (unsigned i = 0; i < implementation->lanes; i++) {
        message_init(&messages[i], implementation->algorithm, piece, 1);
        message_next(&messages[i], &data[i]);
        state[i] = messages[i].state;
    }
    implementation->compress(state, data, 1);
    for (unsigned i = 0; i < implementation->lanes; i++) {
        uint8_t digest[MAX_DIGEST_BYTES] = {0};
        const uint8_t *end;
        message_consume(&messages[i], 1);
        if (message_next(&messages[i], &end) != 0) return false;
        message_digest(&messages[i], digest);
        if (memcmp(digest, expected[implementation->algorithm], sizeof digest) != 0) return false;
    }
    return true;
}

const char *select_init(enum algorithm algorithm, const char *name) {
    struct selection *selection = &selections[algorithm];
    bool all = name == NULL || name[0] == '\0' || strcmp(name, "auto") == 0;
    bool known = all;
    selection->count = 0;
    atomic_store(&selection->calibrated, false);
    for (const struct implementation *const *next = implementations; *next != NULL; next++) {
        const struct implementation *candidate = *next;
        if (candidate->algorithm != algorithm) continue;
        if (!all && strcmp(candidate->name, name) != 0) continue;
        known = true;
        if (candidate->supported() && answers_right(candidate)) selection->candidates[selection->count++] = candidate;
    }
    if (!known) return "is unknown";
    return selection->count > 0 ? NULL : "does not run on this processor";
}

static uint64_t thread_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Nanoseconds of SAMPLE_BLOCKS steps: the best of the rounds. */
static uint64_t measure(const struct implementation *implementation) {
    static uint8_t sample[MAX_LANES * SAMPLE_BLOCKS * BLOCK_BYTES];
    uint32_t words[MAX_LANES][8] = {{0}};
    uint32_t *state[MAX_LANES];
    const uint8_t *data[MAX_LANES];
    for (unsigned i = 0; i < implementation->lanes; i++) {
        state[i] = words[i];
        data[i] = sample + i * SAMPLE_BLOCKS * BLOCK_BYTES;
    }
    uint64_t best = UINT64_MAX;
    for (unsigned round = 0; round < SAMPLE_ROUNDS; round++) {
        uint64_t start = thread_nanoseconds();
        implementation->compress(state, data, SAMPLE_BLOCKS);
        uint64_t spent = thread_nanoseconds() - start;
        if (spent < best) best = spent;
    }
    return best == 0 ? 1 : best;
}

static void calibrate(struct selection *selection) {
    uint64_t cost[MAX_IMPLEMENTATIONS];
    for (unsigned i = 0; i < selection->count; i++) cost[i] = measure(selection->candidates[i]);
    for (unsigned messages = 1; messages <= MAX_LANES; messages++) {
        double best = 0;
        for (unsigned i = 0; i < selection->count; i++) {
            unsigned lanes = selection->candidates[i]->lanes;
            double price = (double)cost[i] / (messages < lanes ? messages : lanes);
            if (i > 0 && price >= best) continue;
            best = price;
            selection->chosen[messages - 1] = selection->candidates[i];
        }
    }
}

const struct implementation *select_for(enum algorithm algorithm, size_t messages) {
    struct selection *selection = &selections[algorithm];
    if (!atomic_load_explicit(&selection->calibrated, memory_order_acquire)) {
        pthread_mutex_lock(&calibrating);
        if (!atomic_load(&selection->calibrated)) {
            calibrate(selection);
            atomic_store_explicit(&selection->calibrated, true, memory_order_release);
        }
        pthread_mutex_unlock(&calibrating);
    }
    return selection->chosen[(messages < MAX_LANES ? messages : MAX_LANES) - 1];
}
