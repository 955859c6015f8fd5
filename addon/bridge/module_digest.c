/* leafDigests, sha256, md5 and xxh32: arguments in, promises out. */
#include <stdio.h>

#include "environment.h"
#include "module.h"
#include "slab.h"

/* 64 MiB in pieces of 64 bytes: more is a mistake of the caller. */
#define MAX_PIECES (1u << 20)

static napi_value throw_argument(napi_env env, const char *function, const char *what) {
    char message[128];
    snprintf(message, sizeof message, "%s: %s", function, what);
    return throw_type(env, message);
}

/* Fills piece `i` from a Uint8Array and holds its slab. Runs no JavaScript. */
static bool read_piece(napi_env env, const char *function, napi_value value, struct request *request, size_t i) {
    struct view view;
    bool detached = false;
    if (!view_of(env, value, &view)) {
        throw_argument(env, function, "the bytes must be a Uint8Array");
        return false;
    }
    if (view.bytes == 0) {
        /* A view of freed memory is empty as well, but its digest would be a lie. */
        napi_is_detached_arraybuffer(env, view.buffer, &detached);
        if (detached) throw_argument(env, function, "the bytes were freed or transferred");
        return !detached;
    }
    request->slabs[i] = slab_hold(view.memory);
    request->pieces[i] = (struct piece){view.data, view.bytes};
    return true;
}

/* Consumes the request. `kept` holds the inputs from element 1 on; element 0 becomes the result. */
static napi_value start(napi_env env, struct request *request, napi_value kept, size_t bytes) {
    napi_value result, promise;
    void *digests = NULL;
    if (napi_create_buffer(env, bytes, &digests, &result) != napi_ok ||
        napi_set_element(env, kept, 0, result) != napi_ok ||
        napi_create_reference(env, kept, 1, &request->kept) != napi_ok) {
        request_free(request);
        return throw_status(env);
    }
    request->job.digests = digests;
    if (napi_create_promise(env, &request->deferred, &promise) != napi_ok) {
        napi_delete_reference(env, request->kept);
        request_free(request);
        return throw_status(env);
    }
    if (request->job.leaves && bytes == 0) {
        napi_resolve_deferred(env, request->deferred, result);
        napi_delete_reference(env, request->kept);
        request_free(request);
        return promise;
    }
    if (request_submit(env, request)) return promise;
    napi_value code, message, error;
    if (napi_create_string_utf8(env, "EAGAIN", NAPI_AUTO_LENGTH, &code) == napi_ok &&
        napi_create_string_utf8(env, "no thread could be started", NAPI_AUTO_LENGTH, &message) == napi_ok &&
        napi_create_error(env, code, message, &error) == napi_ok)
        napi_reject_deferred(env, request->deferred, error);
    napi_delete_reference(env, request->kept);
    request_free(request);
    return promise;
}

napi_value leaf_digests(napi_env env, napi_callback_info info) {
    napi_value kept, data = first_argument(env, info);
    struct request *request = request_new(1);
    if (request == NULL) return throw_code(env, "ENOMEM", "leafDigests: no memory");
    if (data == NULL || !read_piece(env, "leafDigests", data, request, 0)) {
        request_free(request);
        return data == NULL ? throw_status(env) : NULL;
    }
    if (napi_create_array_with_length(env, 2, &kept) != napi_ok || napi_set_element(env, kept, 1, data) != napi_ok) {
        request_free(request);
        return throw_status(env);
    }
    size_t bytes = request->pieces[0].bytes;
    request->job.algorithm = ALGORITHM_SHA256;
    request->job.leaves = true;
    return start(env, request, kept, (bytes / LEAF_BYTES + (bytes % LEAF_BYTES != 0)) * SHA256_BYTES);
}

/*
 * A copy of the caller's array, from element 1 on, because reading elements may run JavaScript that
 * changes it, or detaches what was read before. NULL with an exception pending.
 */
static napi_value copy_pieces(napi_env env, const char *function, napi_value pieces, uint32_t *count) {
    bool is_array = false;
    if (pieces == NULL || napi_is_array(env, pieces, &is_array) != napi_ok || !is_array)
        return throw_argument(env, function, "the pieces must be an array of Uint8Arrays");
    if (napi_get_array_length(env, pieces, count) != napi_ok) return throw_status(env);
    if (*count > MAX_PIECES) return throw_argument(env, function, "there are more than 1048576 pieces");
    napi_value kept;
    if (napi_create_array_with_length(env, (size_t)*count + 1, &kept) != napi_ok) return throw_status(env);
    for (uint32_t i = 0; i < *count; i++) {
        napi_value piece;
        if (napi_get_element(env, pieces, i, &piece) != napi_ok || napi_set_element(env, kept, i + 1, piece) != napi_ok)
            return throw_status(env);
    }
    return kept;
}

static napi_value flat(napi_env env, napi_callback_info info, const char *function, enum algorithm algorithm) {
    uint32_t count = 0;
    napi_value kept = copy_pieces(env, function, first_argument(env, info), &count);
    if (kept == NULL) return NULL;
    struct request *request = request_new(count);
    if (request == NULL) return throw_code(env, "ENOMEM", "no memory for the pieces");
    for (uint32_t i = 0; i < count; i++) {
        napi_value piece;
        bool ok = napi_get_element(env, kept, i + 1, &piece) == napi_ok;
        if (ok && read_piece(env, function, piece, request, i)) continue;
        request_free(request);
        return ok ? NULL : throw_status(env);
    }
    request->job.algorithm = algorithm;
    return start(env, request, kept, digest_bytes(algorithm));
}

napi_value sha256(napi_env env, napi_callback_info info) {
    return flat(env, info, "sha256", ALGORITHM_SHA256);
}

napi_value md5(napi_env env, napi_callback_info info) {
    return flat(env, info, "md5", ALGORITHM_MD5);
}

/* Resolves to 4 bytes, little-endian, like every digest here to bytes. */
napi_value xxh32(napi_env env, napi_callback_info info) {
    return flat(env, info, "xxh32", ALGORITHM_XXH32);
}
