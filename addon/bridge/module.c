/* The addon's entry: configuration from the environment, and the exported functions. */
#include "module.h"

#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "environment.h"
#include "select.h"
#include "window.h"

#define DEFAULT_MAX_THREADS 4
/* Allocations from this size on go back to the system when they are freed. */
#define MMAP_THRESHOLD (1024 * 1024)

static pthread_once_t configured = PTHREAD_ONCE_INIT;
/* Empty when the configuration is good. */
static char problem[256];

napi_value first_argument(napi_env env, napi_callback_info info) {
    size_t count = 1;
    napi_value value = NULL;
    if (napi_get_cb_info(env, info, &count, &value, NULL, NULL) != napi_ok) return NULL;
    return value;
}

napi_value throw_type(napi_env env, const char *message) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
    return NULL;
}

napi_value throw_code(napi_env env, const char *code, const char *message) {
    napi_throw_error(env, code, message);
    return NULL;
}

napi_value throw_errno(napi_env env, const char *function, int error) {
    char message[160];
    const char *code = strerrorname_np(error);
    snprintf(message, sizeof message, "%s: %s", function, strerror(error));
    return throw_code(env, code == NULL ? "EIO" : code, message);
}

bool arguments_of(napi_env env, napi_callback_info info, size_t count, napi_value *arguments) {
    if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) == napi_ok) return true;
    throw_status(env);
    return false;
}

bool whole_of(napi_env env, napi_value value, uint64_t max, uint64_t *number) {
    double given;
    if (napi_get_value_double(env, value, &given) != napi_ok) return false;
    /* Written so that NaN fails too. */
    if (!(given >= 0 && given <= (double)max) || (double)(uint64_t)given != given) return false;
    *number = (uint64_t)given;
    return true;
}

bool view_of(napi_env env, napi_value value, struct view *view) {
    bool is_array = false;
    napi_typedarray_type type;
    size_t offset;
    void *data;
    if (value == NULL || napi_is_typedarray(env, value, &is_array) != napi_ok || !is_array) return false;
    if (napi_get_typedarray_info(env, value, &type, &view->bytes, &data, &view->buffer, &offset) != napi_ok) return false;
    view->data = data;
    view->memory = view->bytes == 0 ? NULL : view->data - offset;
    return type == napi_uint8_array;
}

bool descriptor_of(napi_env env, napi_value value, int *fd) {
    uint64_t number;
    if (!whole_of(env, value, INT32_MAX, &number)) return false;
    *fd = (int)number;
    return true;
}

napi_value throw_status(napi_env env) {
    const napi_extended_error_info *info = NULL;
    bool pending = false;
    napi_get_last_error_info(env, &info);
    const char *message = info != NULL && info->error_message != NULL ? info->error_message : "Node-API call failed";
    napi_is_exception_pending(env, &pending);
    if (!pending) napi_throw_error(env, NULL, message);
    return NULL;
}

static unsigned default_threads(void) {
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof cpus, &cpus) != 0) return DEFAULT_MAX_THREADS;
    int count = CPU_COUNT(&cpus);
    return count < DEFAULT_MAX_THREADS ? (unsigned)count : DEFAULT_MAX_THREADS;
}

static void configure_threads(void) {
    const char *text = getenv("VAST_OST_HASH_THREADS");
    if (text == NULL || text[0] == '\0') {
        queue_limit_threads(default_threads());
        return;
    }
    char *end = NULL;
    errno = 0;
    long threads = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : 0;
    if (end == NULL || *end != '\0' || errno != 0 || threads < 1 || threads > (long)MAX_THREADS)
        snprintf(problem, sizeof problem, "VAST_OST_HASH_THREADS is '%.32s'; it must be a number from 1 to %u", text,
                 MAX_THREADS);
    else
        queue_limit_threads((unsigned)threads);
}

/*
 * glibc raises its threshold to 32 MiB by itself once larger blocks have been freed, and then keeps the
 * buffers that worker threads exchange in one arena per thread: 170 MiB more after some GiB through LZ4
 * (bench/run --only memory). A threshold that is set stays.
 */
static void configure_malloc(void) {
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
#endif
}

static void configure(void) {
    configure_malloc();
    window_open_pagemap();
    const char *name = getenv("VAST_OST_SHA256");
    const char *fault = select_init(ALGORITHM_SHA256, name);
    if (fault != NULL)
        snprintf(problem, sizeof problem,
                 "VAST_OST_SHA256 is '%.32s', which %s; use avx512, avx2, shani, openssl or auto",
                 name == NULL ? "auto" : name, fault);
    else if ((fault = select_init(ALGORITHM_MD5, NULL)) != NULL)
        snprintf(problem, sizeof problem, "MD5 %s", fault);
    else if ((fault = select_init(ALGORITHM_XXH32, NULL)) != NULL)
        snprintf(problem, sizeof problem, "XXH32 %s", fault);
    else
        configure_threads();
}

/* "avx512" or, when long single messages go another way than many leaves, "avx512/shani". */
static napi_value get_implementation(napi_env env, napi_callback_info info) {
    (void)info;
    const char *many = select_for(ALGORITHM_SHA256, MAX_LANES)->name;
    const char *one = select_for(ALGORITHM_SHA256, 1)->name;
    char name[64];
    bool same = strcmp(many, one) == 0;
    snprintf(name, sizeof name, "%s%s%s", many, same ? "" : "/", same ? "" : one);
    napi_value result, value;
    if (napi_create_object(env, &result) != napi_ok ||
        napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &value) != napi_ok ||
        napi_set_named_property(env, result, "sha256", value) != napi_ok ||
        napi_create_uint32(env, queue_threads(), &value) != napi_ok ||
        napi_set_named_property(env, result, "threads", value) != napi_ok)
        return throw_status(env);
    return result;
}

NAPI_MODULE_INIT() {
    pthread_once(&configured, configure);
    if (problem[0] != '\0') return throw_code(env, "ERR_INVALID_ARG_VALUE", problem);
    const napi_property_attributes visible = napi_enumerable;
    const napi_property_descriptor properties[] = {
        {"allocSlab", NULL, alloc_slab, NULL, NULL, NULL, visible, NULL},
        {"freeSlab", NULL, free_slab, NULL, NULL, NULL, visible, NULL},
        {"trimSlab", NULL, trim_slab, NULL, NULL, NULL, visible, NULL},
        {"prefault", NULL, prefault, NULL, NULL, NULL, visible, NULL},
        {"addressOf", NULL, address_of, NULL, NULL, NULL, visible, NULL},
        {"createWindow", NULL, create_window, NULL, NULL, NULL, visible, NULL},
        {"windowMemory", NULL, window_memory, NULL, NULL, NULL, visible, NULL},
        {"showSlab", NULL, show_slab, NULL, NULL, NULL, visible, NULL},
        {"windowChanged", NULL, window_was_changed, NULL, NULL, NULL, visible, NULL},
        {"clearWindow", NULL, clear_window, NULL, NULL, NULL, visible, NULL},
        {"fillSlab", NULL, fill_slab, NULL, NULL, NULL, visible, NULL},
        {"copySlab", NULL, copy_slab, NULL, NULL, NULL, visible, NULL},
        {"leafDigests", NULL, leaf_digests, NULL, NULL, NULL, visible, NULL},
        {"sha256", NULL, sha256, NULL, NULL, NULL, visible, NULL},
        {"md5", NULL, md5, NULL, NULL, NULL, visible, NULL},
        {"xxh32", NULL, xxh32, NULL, NULL, NULL, visible, NULL},
        {"mapArena", NULL, map_arena, NULL, NULL, NULL, visible, NULL},
        {"arenaView", NULL, arena_view, NULL, NULL, NULL, visible, NULL},
        {"unmapArena", NULL, unmap_arena, NULL, NULL, NULL, visible, NULL},
        {"sealsOf", NULL, seals_of, NULL, NULL, NULL, visible, NULL},
        {"receiveWithDescriptor", NULL, receive_with_descriptor, NULL, NULL, NULL, visible, NULL},
        {"peerOf", NULL, peer_of, NULL, NULL, NULL, visible, NULL},
        {"sendDatagram", NULL, send_datagram, NULL, NULL, NULL, visible, NULL},
        {"tcpProgress", NULL, tcp_progress, NULL, NULL, NULL, visible, NULL},
        {"tryLock", NULL, try_lock, NULL, NULL, NULL, visible, NULL},
        {"forbidDumps", NULL, forbid_dumps, NULL, NULL, NULL, visible, NULL},
        {"leave", NULL, leave, NULL, NULL, NULL, visible, NULL},
        {"implementation", NULL, NULL, get_implementation, NULL, NULL, visible, NULL},
    };
    if (!environment_open(env)) return NULL;
    if (napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties) != napi_ok)
        return throw_status(env);
    return exports;
}
