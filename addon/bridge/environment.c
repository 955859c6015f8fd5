/*
 * The way back from the native threads. Ended requests queue up in the environment and one call of a
 * thread-safe function fetches them all. An environment may end while threads work for it: its clean-up
 * hook withdraws its jobs and waits for the turns in progress, a few milliseconds, before V8 frees memory.
 */
#include "environment.h"

#include <pthread.h>
#include <stdlib.h>

#include "module.h"
#include "slab.h"

struct environment {
    struct owner owner;
    napi_env env;
    napi_threadsafe_function wake;
    struct request *all; /* JavaScript thread only */
    pthread_mutex_t lock;
    struct request *ended_first, *ended_last; /* the lock guards them */
};

struct request *request_new(size_t piece_count) {
    struct request *request = calloc(1, sizeof *request + piece_count * sizeof(struct piece));
    if (request == NULL) return NULL;
    request->slabs = calloc(piece_count + 1, sizeof *request->slabs);
    if (request->slabs == NULL) {
        free(request);
        return NULL;
    }
    request->piece_count = piece_count;
    return request;
}

void request_free(struct request *request) {
    for (size_t i = 0; i < request->piece_count; i++)
        if (request->slabs[i] != NULL) slab_release(request->slabs[i]);
    free(request->slabs);
    free(request);
}

/* On a native thread. One wake-up serves all that ended before it is heard. */
static void on_done(struct job *job) {
    struct request *request = (struct request *)job; /* the job is its first member */
    struct environment *environment = request->environment;
    request->next_ended = NULL;
    pthread_mutex_lock(&environment->lock);
    bool first = environment->ended_first == NULL;
    if (first)
        environment->ended_first = request;
    else
        environment->ended_last->next_ended = request;
    environment->ended_last = request;
    pthread_mutex_unlock(&environment->lock);
    if (first) napi_call_threadsafe_function(environment->wake, NULL, napi_tsfn_nonblocking);
}

static void unlink_request(struct request *request) {
    struct environment *environment = request->environment;
    if (request->previous != NULL)
        request->previous->next = request->next;
    else
        environment->all = request->next;
    if (request->next != NULL) request->next->previous = request->previous;
}

static void resolve(napi_env env, struct request *request) {
    napi_handle_scope scope;
    if (napi_open_handle_scope(env, &scope) != napi_ok) return;
    napi_value kept, result;
    /* Fails only while the environment is being torn down; nobody waits for the promise then. */
    if (napi_get_reference_value(env, request->kept, &kept) == napi_ok &&
        napi_get_element(env, kept, 0, &result) == napi_ok)
        napi_resolve_deferred(env, request->deferred, result);
    napi_delete_reference(env, request->kept);
    napi_close_handle_scope(env, scope);
}

/* On the JavaScript thread; `env` is NULL when the environment has gone and its hook has cleaned up. */
static void on_wake(napi_env env, napi_value function, void *context, void *data) {
    (void)function;
    (void)data;
    if (env == NULL) return;
    struct environment *environment = context;
    pthread_mutex_lock(&environment->lock);
    struct request *ended = environment->ended_first;
    environment->ended_first = environment->ended_last = NULL;
    pthread_mutex_unlock(&environment->lock);
    while (ended != NULL) {
        struct request *request = ended;
        ended = request->next_ended;
        unlink_request(request);
        resolve(env, request);
        request_free(request);
    }
    /* The process may end now, if nothing else keeps it. */
    if (environment->all == NULL) napi_unref_threadsafe_function(env, environment->wake);
}

static void on_exit_environment(void *data) {
    struct environment *environment = data;
    queue_withdraw(&environment->owner);
    while (environment->all != NULL) {
        struct request *request = environment->all;
        unlink_request(request);
        napi_delete_reference(environment->env, request->kept);
        request_free(request);
    }
}

static void free_environment(napi_env env, void *data, void *hint) {
    (void)env;
    (void)hint;
    struct environment *environment = data;
    pthread_mutex_destroy(&environment->lock);
    free(environment);
}

bool environment_open(napi_env env) {
    struct environment *environment = calloc(1, sizeof *environment);
    if (environment == NULL) {
        throw_code(env, "ENOMEM", "no memory to load the addon");
        return false;
    }
    environment->env = env;
    pthread_mutex_init(&environment->lock, NULL);
    if (napi_set_instance_data(env, environment, free_environment, NULL) != napi_ok) {
        free_environment(env, environment, NULL);
        throw_status(env);
        return false;
    }
    napi_value name;
    /* The hook comes last: hooks run in reverse, so the function still exists when it runs. */
    if (napi_create_string_utf8(env, "vast-ost digests", NAPI_AUTO_LENGTH, &name) != napi_ok ||
        napi_create_threadsafe_function(env, NULL, NULL, name, 0, 1, NULL, NULL, environment, on_wake,
                                        &environment->wake) != napi_ok ||
        napi_unref_threadsafe_function(env, environment->wake) != napi_ok ||
        napi_add_env_cleanup_hook(env, on_exit_environment, environment) != napi_ok) {
        throw_status(env);
        return false;
    }
    return true;
}

bool request_submit(napi_env env, struct request *request) {
    struct environment *environment = NULL;
    if (napi_get_instance_data(env, (void **)&environment) != napi_ok || environment == NULL) return false;
    request->environment = environment;
    request->job.owner = &environment->owner;
    request->job.pieces = request->pieces;
    request->job.piece_count = request->piece_count;
    request->job.done = on_done;
    if (environment->all == NULL) napi_ref_threadsafe_function(env, environment->wake);
    request->next = environment->all;
    if (request->next != NULL) request->next->previous = request;
    environment->all = request;
    if (queue_submit(&request->job)) return true;
    unlink_request(request);
    if (environment->all == NULL) napi_unref_threadsafe_function(env, environment->wake);
    return false;
}
