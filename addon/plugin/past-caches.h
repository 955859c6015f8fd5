/* Copies of what this processor will not read again soon. */
#ifndef VOST_PAST_CACHES_H
#define VOST_PAST_CACHES_H

#include <stddef.h>

/*
 * memcpy, but long copies go to memory without the destination being read into the caches first. The bytes are there for
 * every thread that is told of them afterwards in an ordinary way (a lock, a system call).
 */
void copy_past_caches(void *to, const void *from, size_t length);

#endif
