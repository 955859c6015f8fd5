#include "arena.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

struct arena {
    void *data;
    size_t bytes;
    int fd;
    atomic_uint holds;
};

/* 0 when `bytes` of the file can be touched for ever, else an errno. */
static int check_file(int fd, size_t bytes) {
    struct stat file;
    int seals = arena_seals(fd);
    if (seals < 0 || fstat(fd, &file) != 0) return errno;
    return (seals & F_SEAL_SHRINK) != 0 && (size_t)file.st_size >= bytes ? 0 : EINVAL;
}

struct arena *arena_map(int fd, size_t bytes, int *error) {
    *error = check_file(fd, bytes);
    if (*error != 0) return NULL;
    struct arena *arena = malloc(sizeof *arena);
    if (arena == NULL) {
        *error = ENOMEM;
        return NULL;
    }
    arena->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    arena->data = MAP_FAILED;
    if (arena->fd >= 0)
        arena->data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, arena->fd, 0);
    if (arena->data == MAP_FAILED) {
        *error = errno;
        if (arena->fd >= 0) close(arena->fd);
        free(arena);
        return NULL;
    }
    /* Backup data belongs into no core dump; where the kernel refuses, nothing else depends on it. */
    madvise(arena->data, bytes, MADV_DONTDUMP);
    arena->bytes = bytes;
    atomic_init(&arena->holds, 1);
    return arena;
}

void *arena_data(const struct arena *arena) {
    return arena->data;
}

size_t arena_bytes(const struct arena *arena) {
    return arena->bytes;
}

int arena_fd(const struct arena *arena) {
    return arena->fd;
}

void arena_hold(struct arena *arena) {
    atomic_fetch_add_explicit(&arena->holds, 1, memory_order_relaxed);
}

void arena_release(struct arena *arena) {
    if (atomic_fetch_sub_explicit(&arena->holds, 1, memory_order_acq_rel) > 1) return;
    munmap(arena->data, arena->bytes);
    close(arena->fd);
    free(arena);
}

int arena_seals(int fd) {
    struct statfs file_system;
    if (fstatfs(fd, &file_system) != 0) return -1;
    if (file_system.f_type != TMPFS_MAGIC) {
        errno = EINVAL;
        return -1;
    }
    return fcntl(fd, F_GET_SEALS);
}
