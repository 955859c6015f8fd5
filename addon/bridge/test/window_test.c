/* Slabs in windows: what is seen and changed through one, and what is left when it is cleared. */
#include "window.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "slab.h"

#define PAGE SLAB_ALIGNMENT
#define PAGES 40u

static struct slab *filled(void) {
    struct slab *slab = slab_map(PAGES * PAGE);
    CHECK(slab != NULL);
    for (unsigned i = 0; i < PAGES; i++) memset((char *)slab_data(slab) + i * PAGE, (int)i + 1, PAGE);
    return slab;
}

static void end(struct slab *slab) {
    slab_free(slab);
    slab_forget(slab);
}

static void show(struct window *window, struct slab *slab, unsigned from, unsigned pages, bool itself) {
    off_t start;
    int fd = slab_file(slab, &start);
    CHECK(window_show(window, fd, start + from * PAGE, pages * PAGE, itself) == 0);
}

static void copies(void) {
    struct slab *slab = filled();
    struct window *window = window_make(PAGES * PAGE);
    CHECK(window != NULL && window_bytes(window) == PAGES * PAGE);
    char *seen = window_data(window), *data = slab_data(slab);
    CHECK(seen[0] == 0 && !window_changed(window));
    show(window, slab, 3, 8, false);
    CHECK(seen[0] == 4 && seen[8 * PAGE - 1] == 11 && seen[8 * PAGE] == 0 && !window_changed(window));
    /* What the slab's owner does is seen. */
    data[4 * PAGE] = 99;
    CHECK(seen[PAGE] == 99);
    seen[7 * PAGE] = 77;
    CHECK(window_changed(window) && data[10 * PAGE] == 11);
    CHECK(window_clear(window) == 0 && seen[0] == 0 && seen[7 * PAGE] == 0 && !window_changed(window));
    /* Late writers hit nothing, and leave nothing. */
    seen[PAGE] = seen[30 * PAGE] = 5;
    show(window, slab, 0, 1, false);
    CHECK(seen[PAGE] == 0 && seen[30 * PAGE] == 0 && data[PAGE] == 2 && !window_changed(window));
    /* The slab may end first. */
    end(slab);
    CHECK(seen[0] == 0);
    window_free(window);
}

static void the_slab_itself(void) {
    struct slab *slab = filled();
    struct window *window = window_make(PAGES * PAGE);
    char *seen = window_data(window), *data = slab_data(slab);
    show(window, slab, 0, PAGES, true);
    seen[5 * PAGE] = 66;
    CHECK(data[5 * PAGE] == 66);
    CHECK(window_clear(window) == 0 && data[5 * PAGE] == 66 && seen[5 * PAGE] == 0);
    CHECK(slab_trim(slab, 6 * PAGE) == 0 && data[5 * PAGE] == 66 && data[6 * PAGE] == 0);
    window_free(window);
    end(slab);
}

/* More pages than are looked at in one step, the last of them written to. */
static void large(void) {
    unsigned pages = 3000;
    struct slab *slab = slab_map(pages * PAGE);
    struct window *window = window_make(pages * PAGE);
    CHECK(slab != NULL && window != NULL);
    char *seen = window_data(window);
    show(window, slab, 0, pages, false);
    for (unsigned i = 0; i < pages; i++) CHECK(seen[i * PAGE] == 0);
    CHECK(!window_changed(window));
    seen[pages * PAGE - 1] = 1;
    CHECK(window_changed(window));
    window_free(window);
    end(slab);
}

/* Places in the file are not used twice, so pages that were given back cannot come back. */
static void reused(void) {
    struct slab *first = filled();
    off_t place, next;
    slab_file(first, &place);
    end(first);
    struct slab *second = slab_map(PAGE);
    CHECK(second != NULL && slab_file(second, &next) >= 0 && next > place && *(char *)slab_data(second) == 0);
    end(second);
}

int main(void) {
    struct window *blind = window_make(PAGE);
    struct slab *slab = filled();
    show(blind, slab, 0, 1, false);
    CHECK(window_changed(blind)); /* Nothing to look at yet: that cannot be told. */
    window_free(blind);
    end(slab);
    window_open_pagemap();
    copies();
    the_slab_itself();
    large();
    reused();
    CHECK(window_make((size_t)1 << 60) == NULL);
    printf("window: ok\n");
    return 0;
}
