#include "slab.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* A power of two; slabs are some hundreds, so chains stay short. */
#define BUCKETS 1024u
/* Of our own file, most of which is never touched: places in it are never used twice. */
#define FILE_BYTES (INT64_C(1) << 62)

struct slab {
    struct slab *next; /* in its bucket, while live */
    void *data;
    size_t bytes;
    int fd;
    off_t offset;
    void (*unmap)(void *owner); /* NULL: the memory is the slab's own */
    void *owner;
    unsigned holds; /* of the mapping; being live is one */
    bool live;
    bool unmapped;
    bool forgotten;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slab *buckets[BUCKETS];
/* The file of our own slabs, its length, and how much of it has been given out; the lock guards them. */
static int own_fd = -1;
static off_t own_bytes, own_end;

static struct slab **bucket_of(const void *data) {
    return &buckets[((uintptr_t)data / SLAB_ALIGNMENT) % BUCKETS];
}

struct slab *slab_adopt(void *data, size_t bytes, int fd, off_t offset, void (*unmap)(void *owner), void *owner) {
    struct slab *slab = calloc(1, sizeof *slab);
    if (slab == NULL) return NULL;
    slab->data = data;
    slab->bytes = bytes;
    slab->fd = fd;
    slab->offset = offset;
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

/* With the lock held. */
static bool open_own_file(void) {
    if (own_fd >= 0) return true;
    /* Whoever makes a file longer than this limit gets a signal. */
    struct rlimit limit;
    bool limited = getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < (rlim_t)FILE_BYTES;
    off_t bytes = limited ? (off_t)limit.rlim_cur : FILE_BYTES;
    int fd = memfd_create("vast-ost slabs", MFD_CLOEXEC);
    if (fd < 0) return false;
    if (ftruncate(fd, bytes) != 0) {
        close(fd);
        return false;
    }
    own_fd = fd;
    own_bytes = bytes;
    return true;
}

/* A place in our file; -1 when there is none. */
static off_t own_place(size_t bytes) {
    pthread_mutex_lock(&lock);
    bool fits = open_own_file() && bytes <= (size_t)(own_bytes - own_end);
    off_t offset = fits ? own_end : -1;
    if (fits) own_end += (off_t)bytes;
    pthread_mutex_unlock(&lock);
    return offset;
}

struct slab *slab_map(size_t bytes) {
    off_t offset = own_place(bytes);
    if (offset < 0) return NULL;
    void *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, own_fd, offset);
    if (data == MAP_FAILED) return NULL;
    /* Backup data belongs into no core dump, here as in arenas. */
    madvise(data, bytes, MADV_DONTDUMP);
    struct slab *slab = slab_adopt(data, bytes, own_fd, offset, NULL, NULL);
    if (slab == NULL) munmap(data, bytes);
    return slab;
}

void *slab_data(const struct slab *slab) {
    return slab->data;
}

size_t slab_bytes(const struct slab *slab) {
    return slab->bytes;
}

int slab_file(const struct slab *slab, off_t *offset) {
    *offset = slab->offset;
    return slab->fd;
}

struct slab *slab_hold(const void *data) {
    pthread_mutex_lock(&lock);
    struct slab *slab = *bucket_of(data);
    while (slab != NULL && slab->data != data) slab = slab->next;
    if (slab != NULL) slab->holds++;
    pthread_mutex_unlock(&lock);
    return slab;
}

static void unmap_slab(const struct slab *slab) {
    if (slab->unmap != NULL) {
        slab->unmap(slab->owner);
        return;
    }
    /* The file stays, so its pages have to be given back as well. */
    madvise(slab->data, slab->bytes, MADV_REMOVE);
    munmap(slab->data, slab->bytes);
}

/* With the lock held. */
static void end_life(struct slab *slab) {
    if (!slab->live) return;
    struct slab **link = bucket_of(slab->data);
    while (*link != slab) link = &(*link)->next;
    *link = slab->next;
    slab->live = false;
    slab->holds--;
}

/* With the lock held, which it gives up: unmapping takes time. Whoever drops the last hold unmaps, whoever comes last frees. */
static void unlock_and_reap(struct slab *slab) {
    const struct slab copy = *slab;
    bool last = slab->holds == 0 && !slab->unmapped;
    if (last) slab->unmapped = true;
    bool unused = slab->forgotten && slab->holds == 0;
    pthread_mutex_unlock(&lock);
    if (unused) free(slab);
    if (last) unmap_slab(&copy);
}

void slab_release(struct slab *slab) {
    pthread_mutex_lock(&lock);
    slab->holds--;
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

int slab_trim(struct slab *slab, size_t from) {
    return madvise((char *)slab->data + from, slab->bytes - from, MADV_REMOVE) == 0 ? 0 : errno;
}
