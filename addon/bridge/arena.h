/*
 * The shared memory of one host process (docs/engine-protocol.md, section 3), mapped here. It stays
 * mapped while anybody holds it: its owner, and every view that was made of it.
 */
#ifndef VAST_OST_ARENA_H
#define VAST_OST_ARENA_H

#include <stddef.h>

struct arena;

/* Maps the first `bytes` of a memfd, shared; the caller holds the mapping. NULL with `error` set to an errno: EINVAL for
   a file that is shorter, or that could become shorter. */
struct arena *arena_map(int fd, size_t bytes, int *error);
void *arena_data(const struct arena *arena);
size_t arena_bytes(const struct arena *arena);
/* The memfd; ours, open as long as the mapping. */
int arena_fd(const struct arena *arena);
void arena_hold(struct arena *arena);
void arena_release(struct arena *arena);

/*
 * The seals (F_SEAL_…) of memory that cannot fail under a reader: a memfd of ordinary pages. -1 with errno
 * set for anything else; huge pages may run out, and then touching them is a SIGBUS.
 */
int arena_seals(int fd);

#endif
