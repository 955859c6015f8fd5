/* The first message of a connection: bytes and exactly one descriptor. */
#ifndef VAST_OST_RECEIVE_H
#define VAST_OST_RECEIVE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Receives at most `space` bytes without waiting. Answers their number (0: the peer is gone) and the one
 * descriptor that came with them, close-on-exec; or -1 with errno: EAGAIN when nothing is there yet, EBADMSG when
 * there came no descriptor, several, or other ancillary data; these are closed.
 */
ssize_t receive_with_one(int socket, void *bytes, size_t space, int *descriptor);

#endif
