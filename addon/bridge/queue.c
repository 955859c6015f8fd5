#include "queue.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "select.h"

/* The batch and the deepest digest need a few KiB. */
#define STACK_BYTES (512u * 1024u)
#define NICER 5

/* The ready jobs of one algorithm, first in first out. */
struct ready {
    struct job *first, *last;
    size_t messages; /* that the jobs offer now */
};

/* What one thread works on: messages[i] belongs to jobs[i]. */
struct batch {
    unsigned count;
    struct job *jobs[MAX_LANES];
    struct message *messages[MAX_LANES];
    uint8_t *digests[MAX_LANES];
    struct message leaves[MAX_LANES];
    struct piece pieces[MAX_LANES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static pthread_cond_t returned = PTHREAD_COND_INITIALIZER;
static struct ready ready[ALGORITHM_COUNT];
static enum algorithm next_turn;
static unsigned limit = 1, started, idle;

static size_t offered(const struct job *job) {
    return job->leaves ? job->leaf_count - job->next_leaf : 1;
}

static void append(struct job *job) {
    struct ready *list = &ready[job->algorithm];
    job->next = NULL;
    if (list->last != NULL)
        list->last->next = job;
    else
        list->first = job;
    list->last = job;
}

static struct job *take_first(struct ready *list) {
    struct job *job = list->first;
    list->first = job->next;
    if (list->first == NULL) list->last = NULL;
    return job;
}

static void take_leaf(struct batch *batch, struct job *job) {
    unsigned i = batch->count;
    size_t offset = job->next_leaf * LEAF_BYTES;
    size_t left = job->pieces[0].bytes - offset;
    batch->pieces[i] = (struct piece){job->pieces[0].data + offset, left < LEAF_BYTES ? left : LEAF_BYTES};
    message_init(&batch->leaves[i], job->algorithm, &batch->pieces[i], 1);
    batch->messages[i] = &batch->leaves[i];
    batch->digests[i] = job->digests + job->next_leaf * SHA256_BYTES;
    job->next_leaf++;
    if (job->next_leaf < job->leaf_count) append(job);
}

/* As many messages as one thread serves best; the others are left to the other threads. */
static void take_batch(struct batch *batch, struct ready *list, enum algorithm algorithm) {
    unsigned lanes = select_for(algorithm, list->messages)->lanes;
    batch->count = 0;
    while (list->first != NULL && batch->count < lanes) {
        struct job *job = take_first(list);
        batch->jobs[batch->count] = job;
        if (job->leaves) {
            take_leaf(batch, job);
        } else {
            batch->messages[batch->count] = &job->message;
            batch->digests[batch->count] = job->digests;
        }
        job->owner->running++;
        list->messages--;
        batch->count++;
    }
}

static void *run_thread(void *unused);

static bool start_thread(void) {
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return false;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    /* Signals are the business of the threads that were there before us. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    bool ok = pthread_create(&thread, &attributes, run_thread, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (ok) started++;
    return ok;
}

/* With the lock held: somebody should look at the ready jobs. False when nobody ever will. */
static bool wake_thread(void) {
    if (idle > 0) {
        pthread_cond_signal(&work);
        return true;
    }
    return (started < limit && start_thread()) || started > 0;
}

static bool anything_ready(void) {
    for (unsigned i = 0; i < ALGORITHM_COUNT; i++)
        if (ready[i].first != NULL) return true;
    return false;
}

/* The algorithms take turns, so that neither starves the other. */
static void wait_for_batch(struct batch *batch) {
    while (!anything_ready()) {
        idle++;
        pthread_cond_wait(&work, &lock);
        idle--;
    }
    enum algorithm algorithm = next_turn;
    while (ready[algorithm].first == NULL) algorithm = (algorithm + 1) % ALGORITHM_COUNT;
    next_turn = (algorithm + 1) % ALGORITHM_COUNT;
    take_batch(batch, &ready[algorithm], algorithm);
    if (anything_ready()) wake_thread();
}

static void run_batch(struct batch *batch) {
    struct message *messages[MAX_LANES];
    for (unsigned i = 0; i < batch->count; i++) messages[i] = batch->messages[i];
    messages_run(messages, batch->count, LEAF_BYTES + BLOCK_BYTES);
}

/*
 * With the lock held. Answers the job when this was its last message; everything that it was given is
 * in its place then. A flat message that has not ended waits for its next turn.
 */
static struct job *give_back(struct batch *batch, unsigned i) {
    struct job *job = batch->jobs[i];
    const uint8_t *data;
    if (message_next(batch->messages[i], &data) > 0) {
        append(job);
        ready[job->algorithm].messages++;
        return NULL;
    }
    message_digest(batch->messages[i], batch->digests[i]);
    return --job->unfinished == 0 ? job : NULL;
}

/* With the lock held, which is released while `done` runs. */
static void finish_batch(struct batch *batch) {
    struct owner *owners[MAX_LANES];
    struct job *ended[MAX_LANES];
    unsigned ended_count = 0;
    for (unsigned i = 0; i < batch->count; i++) {
        owners[i] = batch->jobs[i]->owner;
        struct job *job = give_back(batch, i);
        if (job != NULL) ended[ended_count++] = job;
    }
    if (anything_ready()) wake_thread();
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < ended_count; i++) ended[i]->done(ended[i]);
    pthread_mutex_lock(&lock);
    bool last = false;
    for (unsigned i = 0; i < batch->count; i++) last = --owners[i]->running == 0 || last;
    if (last) pthread_cond_broadcast(&returned);
}

static void *run_thread(void *unused) {
    (void)unused;
    pthread_setname_np(pthread_self(), "vost-hash");
    /*
     * Digests can wait for a processor, the threads that talk cannot. On Linux this is about the calling thread alone, setpriority(2). Measured
     * from the main thread: our starter may be another like us.
     */
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, (id_t)getpid()) + NICER);
    /* Measure before the lock is held, so that no JavaScript thread waits for it. */
    for (unsigned i = 0; i < ALGORITHM_COUNT; i++) select_for((enum algorithm)i, 1);
    struct batch batch;
    pthread_mutex_lock(&lock);
    for (;;) {
        wait_for_batch(&batch);
        pthread_mutex_unlock(&lock);
        run_batch(&batch);
        pthread_mutex_lock(&lock);
        finish_batch(&batch);
    }
    return NULL;
}

void queue_limit_threads(unsigned threads) {
    pthread_mutex_lock(&lock);
    limit = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
    pthread_mutex_unlock(&lock);
}

unsigned queue_threads(void) {
    pthread_mutex_lock(&lock);
    unsigned threads = limit;
    pthread_mutex_unlock(&lock);
    return threads;
}

bool queue_submit(struct job *job) {
    job->next_leaf = 0;
    job->leaf_count = 0;
    if (job->leaves) {
        size_t bytes = job->pieces[0].bytes;
        job->leaf_count = bytes / LEAF_BYTES + (bytes % LEAF_BYTES != 0);
    } else {
        message_init(&job->message, job->algorithm, job->pieces, job->piece_count);
    }
    job->unfinished = offered(job);
    pthread_mutex_lock(&lock);
    bool ok = wake_thread();
    if (ok) {
        append(job);
        ready[job->algorithm].messages += offered(job);
    }
    pthread_mutex_unlock(&lock);
    return ok;
}

void queue_withdraw(struct owner *owner) {
    pthread_mutex_lock(&lock);
    for (;;) {
        /* Again after every wait: a turn that ended may have put its job back. */
        for (unsigned i = 0; i < ALGORITHM_COUNT; i++) {
            struct job *waiting = ready[i].first;
            ready[i] = (struct ready){NULL, NULL, 0};
            while (waiting != NULL) {
                struct job *job = waiting;
                waiting = job->next;
                if (job->owner == owner) continue;
                append(job);
                ready[i].messages += offered(job);
            }
        }
        if (owner->running == 0) break;
        pthread_cond_wait(&returned, &lock);
    }
    pthread_mutex_unlock(&lock);
}
