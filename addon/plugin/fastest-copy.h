/* Long copies, the way that this processor is fastest at. */
#ifndef VOST_FASTEST_COPY_H
#define VOST_FASTEST_COPY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * memcpy, or copy_past_caches. Which of the two costs less depends on the processor (on one 0.12 instead of 0.19 s/GiB, while
 * on others memcpy does the same by itself), so some of the first copies of a process go either way in turns and are compared.
 *
 * fresh: the kernel has just made pages for the destination. It is in the caches still, and either way is as good.
 */
void fastest_copy(void *to, const void *from, size_t length, bool fresh);

#endif
