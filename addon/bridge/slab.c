#include "slab.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/* A power of two; slabs are some hundreds, so chains stay short. */
#define BUCKETS 1024u

struct slab {
    struct slab *next; /* in its bucket, while live */
    void *data;
    size_t bytes;
    void (*unmap)(void *owner); /* NULL: the memory is the slab's own */
    void *owner;
    unsigned holds; /* of the mapping; being live is one */
    bool live;
    bool forgotten;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slab *buckets[BUCKETS];

static struct slab **bucket_of(const void *data) {
    return &buckets[((uintptr_t)data / SLAB_ALIGNMENT) % BUCKETS];
}

struct slab *slab_adopt(void *data, size_t bytes, void (*unmap)(void *owner), void *owner) {
    struct slab *slab = calloc(1, sizeof *slab);
    if (slab == NULL) return NULL;
    slab->data = data;
    slab->bytes = bytes;
    slab->unmap = unmap;
    slab->owner = owner;
    slab->holds = 1;
    slab->live = true;
    pthread_mutex_lock(&lock);
    struct slab **bucket = bucket_of(slab->data);
    slab->next = *bucket;
    *bucket = slab;
    pthread_mutex_unlock(&lock);
    return slab;
}

struct slab *slab_map(size_t bytes) {
    void *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) return NULL;
    /* Backup data belongs into no core dump, here as in arenas. */
    madvise(data, bytes, MADV_DONTDUMP);
    struct slab *slab = slab_adopt(data, bytes, NULL, NULL);
    if (slab == NULL) munmap(data, bytes);
    return slab;
}

void *slab_data(const struct slab *slab) {
    return slab->data;
}

struct slab *slab_hold(const void *data) {
    pthread_mutex_lock(&lock);
    struct slab *slab = *bucket_of(data);
    while (slab != NULL && slab->data != data) slab = slab->next;
    if (slab != NULL) slab->holds++;
    pthread_mutex_unlock(&lock);
    return slab;
}

/* With the lock held. */
static void drop_hold(struct slab *slab) {
    if (--slab->holds > 0) return;
    if (slab->unmap != NULL)
        slab->unmap(slab->owner);
    else
        munmap(slab->data, slab->bytes);
}

/* With the lock held. */
static void end_life(struct slab *slab) {
    if (!slab->live) return;
    struct slab **link = bucket_of(slab->data);
    while (*link != slab) link = &(*link)->next;
    *link = slab->next;
    slab->live = false;
    drop_hold(slab);
}

static void unlock_and_reap(struct slab *slab) {
    bool unused = slab->forgotten && slab->holds == 0;
    pthread_mutex_unlock(&lock);
    if (unused) free(slab);
}

void slab_release(struct slab *slab) {
    pthread_mutex_lock(&lock);
    drop_hold(slab);
    unlock_and_reap(slab);
}

void slab_free(struct slab *slab) {
    pthread_mutex_lock(&lock);
    end_life(slab);
    unlock_and_reap(slab);
}

void slab_forget(struct slab *slab) {
    pthread_mutex_lock(&lock);
    end_life(slab);
    slab->forgotten = true;
    unlock_and_reap(slab);
}

int slab_trim(struct slab *slab) {
    return madvise(slab->data, slab->bytes, MADV_DONTNEED) == 0 ? 0 : errno;
}
