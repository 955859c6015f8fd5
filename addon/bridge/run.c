#include "select.h"

#include <string.h>

/* One step of as many messages as the best implementation takes: the shortest run decides its length. */
static void step(struct message *messages[], unsigned count, uint64_t left[]) {
    const struct implementation *implementation = select_for(messages[0]->algorithm, count);
    unsigned lanes = implementation->lanes;
    unsigned used = count < lanes ? count : lanes;
    uint32_t idle[8] = {0};
    uint32_t *state[MAX_LANES];
    const uint8_t *data[MAX_LANES];
    size_t blocks = SIZE_MAX;
    for (unsigned i = 0; i < used; i++) {
        size_t run = message_next(messages[i], &data[i]);
        if (run > left[i] / BLOCK_BYTES) run = (size_t)(left[i] / BLOCK_BYTES);
        if (run < blocks) blocks = run;
        state[i] = messages[i]->state;
    }
    for (unsigned i = used; i < lanes; i++) {
        state[i] = idle;
        data[i] = data[0];
    }
    implementation->compress(state, data, blocks);
    for (unsigned i = 0; i < used; i++) {
        message_consume(messages[i], blocks);
        left[i] -= blocks * BLOCK_BYTES;
    }
}

void messages_run(struct message *messages[], unsigned count, uint64_t budget) {
    uint64_t left[MAX_LANES];
    for (unsigned i = 0; i < count; i++) left[i] = budget;
    for (;;) {
        for (unsigned i = 0; i < count;) {
            const uint8_t *data;
            if (left[i] > 0 && message_next(messages[i], &data) > 0) {
                i++;
                continue;
            }
            count--;
            struct message *ended = messages[i];
            messages[i] = messages[count];
            messages[count] = ended;
            left[i] = left[count];
        }
        if (count == 0) return;
        step(messages, count, left);
    }
}
