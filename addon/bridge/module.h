/* What the files of the Node-API surface share. */
#ifndef VAST_OST_MODULE_H
#define VAST_OST_MODULE_H

#include <node_api.h>
#include <stdbool.h>

/* The functions' and the error texts' names are the same, but for windowChanged. */
napi_value alloc_slab(napi_env env, napi_callback_info info);
napi_value free_slab(napi_env env, napi_callback_info info);
napi_value trim_slab(napi_env env, napi_callback_info info);
napi_value prefault(napi_env env, napi_callback_info info);
napi_value address_of(napi_env env, napi_callback_info info);
napi_value create_window(napi_env env, napi_callback_info info);
napi_value window_memory(napi_env env, napi_callback_info info);
napi_value show_slab(napi_env env, napi_callback_info info);
napi_value window_was_changed(napi_env env, napi_callback_info info);
napi_value clear_window(napi_env env, napi_callback_info info);
napi_value fill_slab(napi_env env, napi_callback_info info);
napi_value copy_slab(napi_env env, napi_callback_info info);
napi_value leaf_digests(napi_env env, napi_callback_info info);
napi_value sha256(napi_env env, napi_callback_info info);
napi_value md5(napi_env env, napi_callback_info info);
napi_value xxh32(napi_env env, napi_callback_info info);
napi_value map_arena(napi_env env, napi_callback_info info);
napi_value arena_view(napi_env env, napi_callback_info info);
napi_value unmap_arena(napi_env env, napi_callback_info info);
napi_value seals_of(napi_env env, napi_callback_info info);
napi_value receive_with_descriptor(napi_env env, napi_callback_info info);
napi_value peer_of(napi_env env, napi_callback_info info);
napi_value send_datagram(napi_env env, napi_callback_info info);
napi_value tcp_progress(napi_env env, napi_callback_info info);
napi_value try_lock(napi_env env, napi_callback_info info);
napi_value forbid_dumps(napi_env env, napi_callback_info info);
napi_value leave(napi_env env, napi_callback_info info);

/* The first argument, or undefined. */
napi_value first_argument(napi_env env, napi_callback_info info);
/* Exactly `count` arguments, missing ones undefined. False with an exception pending. */
bool arguments_of(napi_env env, napi_callback_info info, size_t count, napi_value *arguments);
/* A descriptor's number. False when the value is none; nothing is thrown. */
bool descriptor_of(napi_env env, napi_value value, int *fd);
/* A whole number from 0 to `max`. False when the value is none; nothing is thrown. */
bool whole_of(napi_env env, napi_value value, uint64_t max, uint64_t *number);
/* The bytes of a Uint8Array, and its ArrayBuffer, which begins at `memory`. */
struct view {
    uint8_t *data;
    size_t bytes;
    uint8_t *memory;
    napi_value buffer;
};
/* False when the value is no Uint8Array; nothing is thrown, and no JavaScript runs. */
bool view_of(napi_env env, napi_value value, struct view *view);

/* All throw and answer NULL, for `return throw_…`. */
napi_value throw_type(napi_env env, const char *message);
napi_value throw_code(napi_env env, const char *code, const char *message);
/* With the code and text of an errno: "receiveWithDescriptor: Connection reset by peer". */
napi_value throw_errno(napi_env env, const char *function, int error);
/* After a Node-API call failed: keeps the exception that is pending, else makes one. */
napi_value throw_status(napi_env env);

#endif
