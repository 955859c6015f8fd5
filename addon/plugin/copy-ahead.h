/* Copies of what is in memory, not in this processor's caches. */
#ifndef VOST_COPY_AHEAD_H
#define VOST_COPY_AHEAD_H

#include <stddef.h>

/*
 * memcpy, but the source is asked for before it is needed, and not kept in the caches afterwards. The C library has the
 * processor move long copies (`rep movsb`), which on an AMD EPYC takes six times as long from memory (docs/performance.md).
 */
void copy_ahead(void *to, const void *from, size_t length);

#endif
