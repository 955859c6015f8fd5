/* One JavaScript environment and the digest requests that it waits for. */
#ifndef VAST_OST_ENVIRONMENT_H
#define VAST_OST_ENVIRONMENT_H

#include <node_api.h>
#include <stdbool.h>

#include "queue.h"

struct slab;

/* One call of leafDigests, sha256 or md5, with all that it keeps alive. */
struct request {
    struct job job;
    struct environment *environment;
    napi_deferred deferred;
    napi_ref kept; /* an array: the result, then the inputs */
    struct request *previous, *next; /* all of this environment, JavaScript thread only */
    struct request *next_ended;
    struct slab **slabs; /* held while the threads read; entries may be NULL */
    size_t piece_count;
    struct piece pieces[];
};

/* Makes the environment of `env`. False with an exception pending. */
bool environment_open(napi_env env);

/* Room for the pieces, all zero; NULL when there is no memory. */
struct request *request_new(size_t piece_count);
/* Lets go of the slabs and the memory. */
void request_free(struct request *request);

/*
 * Hands the request to the native threads; the promise of `deferred` answers with element 0 of `kept`.
 * False when no thread could be started; the request is then still the caller's.
 */
bool request_submit(napi_env env, struct request *request);

#endif
