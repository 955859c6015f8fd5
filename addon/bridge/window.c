#include "window.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "slab.h"

/* /proc/self/pagemap, proc_pid_pagemap(5): a page is there, in memory or swapped out, and is it one of a file? */
#define PAGE_PRESENT (UINT64_C(1) << 63)
#define PAGE_SWAPPED (UINT64_C(1) << 62)
#define PAGE_OF_FILE (UINT64_C(1) << 61)
#define ENTRIES 1024u

struct window {
    void *data;
    size_t bytes;
    size_t shown;
};

static int pagemap = -1;

void window_open_pagemap(void) {
    pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

static int map_at(void *at, size_t bytes, int how, int fd, off_t offset) {
    void *data = mmap(at, bytes, PROT_READ | PROT_WRITE, how | MAP_NORESERVE | MAP_FIXED, fd, offset);
    return data == MAP_FAILED ? errno : 0;
}

struct window *window_make(size_t bytes) {
    struct window *window = calloc(1, sizeof *window);
    if (window == NULL) return NULL;
    window->bytes = bytes;
    window->data =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (window->data != MAP_FAILED) return window;
    free(window);
    return NULL;
}

void window_free(struct window *window) {
    munmap(window->data, window->bytes);
    free(window);
}

void *window_data(const struct window *window) {
    return window->data;
}

size_t window_bytes(const struct window *window) {
    return window->bytes;
}

int window_show(struct window *window, int fd, off_t offset, size_t bytes, bool itself) {
    int error = window_clear(window);
    if (error != 0) return error;
    /* Who is shown the slab itself is about to write all of it. */
    error = map_at(window->data, bytes, itself ? MAP_SHARED | MAP_POPULATE : MAP_PRIVATE, fd, offset);
    if (error != 0) return error;
    window->shown = bytes;
    /* Backup data belongs into no core dump. */
    madvise(window->data, bytes, MADV_DONTDUMP);
    return 0;
}

bool window_changed(const struct window *window) {
    uint64_t entries[ENTRIES];
    size_t pages = window->shown / SLAB_ALIGNMENT;
    for (size_t at = 0; at < pages;) {
        size_t count = pages - at < ENTRIES ? pages - at : ENTRIES;
        size_t place = ((uintptr_t)window->data / SLAB_ALIGNMENT + at) * sizeof *entries;
        ssize_t got = pread(pagemap, entries, count * sizeof *entries, (off_t)place);
        if (got <= 0 || (size_t)got % sizeof *entries != 0) return true;
        count = (size_t)got / sizeof *entries;
        /* A page that was written to belongs to no file any more. */
        for (size_t i = 0; i < count; i++)
            if ((entries[i] & (PAGE_PRESENT | PAGE_SWAPPED)) != 0 && (entries[i] & PAGE_OF_FILE) == 0) return true;
        at += count;
    }
    return false;
}

int window_clear(struct window *window) {
    /* All of it: somebody may have written beyond what was shown, or after it was. */
    int error = map_at(window->data, window->bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (error == 0) window->shown = 0;
    return error;
}
