/* Long copies between a host's buffers and slots, the way that this processor is fastest at. */
#ifndef VOST_FASTEST_COPY_H
#define VOST_FASTEST_COPY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Each is memcpy, copy_past_caches (to a slot) or copy_ahead. Which of them costs least depends on the processor, by up to six
 * times, so the first long copies of a process go every way in turns and are compared.
 */

/* fresh: the kernel has just made pages for the destination. It is in the caches still, and any way is as good. */
void copy_to_slot(void *to, const void *from, size_t length, bool fresh);
void copy_from_slot(void *to, const void *from, size_t length);

#endif
