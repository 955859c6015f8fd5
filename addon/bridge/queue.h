/*
 * Digest jobs on native threads that the whole process shares. Work is cut in turns: every ready job
 * gives at most one leaf, or one MiB of a flat message, per pass, so that small jobs end soon beside big
 * ones and one big job spreads over lanes and threads.
 */
#ifndef VAST_OST_QUEUE_H
#define VAST_OST_QUEUE_H

#include "digest.h"

/* Leaf size of the tree hash, and what a flat message reads in one turn. */
#define LEAF_BYTES (1024u * 1024u)
#define MAX_THREADS 64u

/* Whoever submits jobs and may have to withdraw them all. Zero to begin with. */
struct owner {
    unsigned running; /* turns of its jobs that threads hold; the queue's lock guards it */
};

struct job {
    /* Set by the submitter; must not change until `done`. */
    struct owner *owner;
    enum algorithm algorithm;
    const struct piece *pieces;
    size_t piece_count;
    /* Leaf digests of the only piece, one after the other, instead of one digest of all pieces. */
    bool leaves;
    uint8_t *digests;
    /* Called on a native thread, without locks. The job is the callee's again, for its owner only. */
    void (*done)(struct job *job);

    /* The queue's own. */
    struct job *next;
    size_t next_leaf, leaf_count;
    size_t unfinished;
    struct message message;
};

/* How many threads there may be; before the first job, once. */
void queue_limit_threads(unsigned threads);
unsigned queue_threads(void);

/* Never waits for work. Answers false when there is no thread and none can be started. */
bool queue_submit(struct job *job);

/*
 * Forgets the owner's waiting jobs and waits for the turns that threads hold. Afterwards `done` is not
 * called any more for any of its jobs.
 */
void queue_withdraw(struct owner *owner);

#endif
