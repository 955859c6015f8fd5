/* Jobs of several owners on the native threads: right digests, equal threads, and owners that leave in the middle. */
#include "queue.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "select.h"

#define JOBS 60u
#define OWNERS 3u
#define POOL_BYTES (5u * LEAF_BYTES + 4321u)
#define MAX_LEAVES 7u

struct test_job {
    struct job job;
    struct piece pieces[3];
    uint8_t digests[MAX_LEAVES * SHA256_BYTES];
    struct client *client;
};

struct client {
    struct owner owner;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned ended;
    atomic_bool left;
    uint64_t seed;
    struct test_job jobs[JOBS];
};

static uint8_t *pool;

/* Digests' threads are as much nicer than the program, whoever started them. */
static void check_nice(void) {
    int nice = getpriority(PRIO_PROCESS, (id_t)getpid()) + 5;
    CHECK(getpriority(PRIO_PROCESS, 0) == (nice < 19 ? nice : 19));
}

static void on_done(struct job *job) {
    struct client *client = ((struct test_job *)job)->client;
    CHECK(!atomic_load(&client->left));
    check_nice();
    pthread_mutex_lock(&client->lock);
    client->ended++;
    pthread_cond_signal(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

static void submit(struct client *client, unsigned i, uint64_t *seed) {
    struct test_job *test = &client->jobs[i];
    memset(test, 0, sizeof *test);
    test->client = client;
    test->job = (struct job){.owner = &client->owner, .done = on_done, .digests = test->digests};
    test->job.leaves = random_below(seed, 2) == 0;
    test->job.algorithm = test->job.leaves || random_below(seed, 2) == 0 ? ALGORITHM_SHA256 : ALGORITHM_MD5;
    test->job.piece_count = test->job.leaves ? 1 : random_below(seed, 4);
    test->job.pieces = test->pieces;
    for (size_t j = 0; j < test->job.piece_count; j++) {
        /* Mostly small, some of several leaves; a leaf job has at least one byte. */
        size_t size = random_below(seed, 3) == 0 ? POOL_BYTES : 3000;
        size_t offset = random_below(seed, size);
        test->pieces[j] = (struct piece){pool + offset, 1 + random_below(seed, size - offset)};
    }
    CHECK(queue_submit(&test->job));
}

static void check_job(const struct test_job *test) {
    uint8_t expected[SHA256_BYTES];
    if (test->job.leaves) {
        const struct piece *piece = &test->pieces[0];
        for (size_t offset = 0, leaf = 0; offset < piece->bytes; offset += LEAF_BYTES, leaf++) {
            size_t left = piece->bytes - offset;
            SHA256(piece->data + offset, left < LEAF_BYTES ? left : LEAF_BYTES, expected);
            CHECK(memcmp(test->digests + leaf * SHA256_BYTES, expected, SHA256_BYTES) == 0);
        }
        return;
    }
    uint8_t *flat = malloc(3 * POOL_BYTES);
    CHECK(flat != NULL);
    size_t bytes = 0;
    for (size_t i = 0; i < test->job.piece_count; i++) {
        memcpy(flat + bytes, test->pieces[i].data, test->pieces[i].bytes);
        bytes += test->pieces[i].bytes;
    }
    if (test->job.algorithm == ALGORITHM_SHA256)
        SHA256(flat, bytes, expected);
    else
        MD5(flat, bytes, expected);
    CHECK(memcmp(test->digests, expected, test->job.algorithm == ALGORITHM_SHA256 ? SHA256_BYTES : MD5_BYTES) == 0);
    free(flat);
}

/* Submits from its own thread, as an environment does; withdraws the second half in the middle. */
static void *run_client(void *argument) {
    struct client *client = argument;
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->changed, NULL);
    for (unsigned i = 0; i < JOBS / 2; i++) submit(client, i, &client->seed);
    pthread_mutex_lock(&client->lock);
    while (client->ended < JOBS / 2) pthread_cond_wait(&client->changed, &client->lock);
    pthread_mutex_unlock(&client->lock);
    for (unsigned i = 0; i < JOBS / 2; i++) check_job(&client->jobs[i]);
    for (unsigned i = JOBS / 2; i < JOBS; i++) submit(client, i, &client->seed);
    queue_withdraw(&client->owner);
    atomic_store(&client->left, true);
    /* Nobody may touch the jobs any more: the checks of memory see it if somebody does. */
    memset(client->jobs, 0xff, sizeof client->jobs);
    return NULL;
}

/* Jobs whose ends are noted in order; the first one keeps the only thread until the others wait. */
struct ordered {
    struct job job;
    struct piece piece;
    uint8_t digests[40 * SHA256_BYTES];
};

static sem_t others_wait, all_ended;
static struct ordered gate, big, small;
static const struct ordered *ended[3];
static unsigned ended_count;

static void note_end(struct job *job) {
    if (job == &gate.job)
        while (sem_wait(&others_wait) != 0) continue;
    ended[ended_count++] = (struct ordered *)job;
    if (ended_count == 3) sem_post(&all_ended);
}

static void submit_ordered(struct ordered *ordered, struct owner *owner, bool leaves, size_t bytes) {
    ordered->piece = (struct piece){pool, bytes};
    ordered->job = (struct job){.owner = owner, .algorithm = ALGORITHM_SHA256, .leaves = leaves, .done = note_end};
    ordered->job.pieces = &ordered->piece;
    ordered->job.piece_count = 1;
    ordered->job.digests = ordered->digests;
    CHECK(queue_submit(&ordered->job));
}

/* A small job that comes after a big one ends before it. */
static void run_fairness(void) {
    struct owner owner = {0};
    CHECK(sem_init(&others_wait, 0, 0) == 0 && sem_init(&all_ended, 0, 0) == 0);
    submit_ordered(&gate, &owner, false, 1);
    submit_ordered(&big, &owner, true, 40 * (size_t)LEAF_BYTES);
    submit_ordered(&small, &owner, false, 100);
    sem_post(&others_wait);
    while (sem_wait(&all_ended) != 0) continue;
    CHECK(ended[0] == &gate && ended[1] == &small && ended[2] == &big);
    queue_withdraw(&owner);
}

int main(void) {
    uint64_t seed = 4711;
    pool = calloc(40, LEAF_BYTES);
    CHECK(pool != NULL);
    CHECK(select_init(ALGORITHM_SHA256, NULL) == NULL);
    CHECK(select_init(ALGORITHM_MD5, NULL) == NULL);
    run_fairness();
    free(pool);
    pool = random_bytes(&seed, POOL_BYTES);
    queue_limit_threads(3);
    CHECK(queue_threads() == 3);
    struct client *clients[OWNERS];
    pthread_t threads[OWNERS];
    for (unsigned i = 0; i < OWNERS; i++) {
        clients[i] = calloc(1, sizeof **clients);
        CHECK(clients[i] != NULL);
        clients[i]->seed = 100 + i;
        CHECK(pthread_create(&threads[i], NULL, run_client, clients[i]) == 0);
    }
    for (unsigned i = 0; i < OWNERS; i++) pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < OWNERS; i++) free(clients[i]);
    free(pool);
    printf("queue: ok\n");
    return 0;
}
