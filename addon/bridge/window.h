/*
 * A place in the address space where the pages of a slab appear for a while, for code that must not keep hold of them: when a window
 * is cleared, whoever still has its address finds empty memory, no fault and no slab.
 *
 * A window onto a copy shows the slab's own pages and copies a page when it is written to, so the slab never changes; a window onto
 * the slab itself changes it.
 */
#ifndef VAST_OST_WINDOW_H
#define VAST_OST_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct window;

/* `bytes`: a positive multiple of SLAB_ALIGNMENT, the most that it can show. NULL when there is no memory. */
struct window *window_make(size_t bytes);
void window_free(struct window *window);
void *window_data(const struct window *window);
size_t window_bytes(const struct window *window);

/* Shows `bytes` of a file of memory from `offset` on, both multiples of SLAB_ALIGNMENT. Answers 0 or errno; it is then clear. */
int window_show(struct window *window, int fd, off_t offset, size_t bytes, bool itself);
/* Whether a page was written to since {window_show} showed a copy. True as well where that cannot be told. */
bool window_changed(const struct window *window);
/* Answers 0 or errno. */
int window_clear(struct window *window);

/* Opens what {window_changed} looks at; before the process makes itself unreadable (forbidDumps), once. */
void window_open_pagemap(void);

#endif
