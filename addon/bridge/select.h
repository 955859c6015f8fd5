/* Which implementation serves how many messages at once, found by measuring. */
#ifndef VAST_OST_SELECT_H
#define VAST_OST_SELECT_H

#include "digest.h"

/*
 * Tests every implementation with a known answer and keeps those of the wanted name (NULL, "" or "auto":
 * all). Before any other call here; again only while nobody else uses this file. Answers NULL, or what
 * is wrong with the name of the algorithm: "is unknown" or "does not run on this processor".
 */
const char *select_init(enum algorithm algorithm, const char *name);

/* The cheapest implementation per message when `messages` (at least 1) are ready. Measures at the first call. */
const struct implementation *select_for(enum algorithm algorithm, size_t messages);

/*
 * Runs every message until it is finished or has read `budget` bytes (a multiple of 64) in this call.
 * The order of the array changes; at most MAX_LANES messages, all of one algorithm; a short XXH32 message is finished from the start.
 */
void messages_run(struct message *messages[], unsigned count, uint64_t budget);

#endif
