/* allocSlab, freeSlab, trimSlab and addressOf: slabs as external ArrayBuffers. */
#include <errno.h>
#include <string.h>

#include "module.h"
#include "slab.h"

/* Far above any machine's memory, far below what V8 and mmap can count. */
#define MAX_SLAB_BYTES (INT64_C(1) << 40)

static void finalize_slab(napi_env env, void *data, void *slab) {
    (void)env;
    (void)data;
    slab_forget(slab);
}

napi_value alloc_slab(napi_env env, napi_callback_info info) {
    double bytes = 0;
    napi_value argument = first_argument(env, info);
    if (argument == NULL) return throw_status(env);
    if (napi_get_value_double(env, argument, &bytes) != napi_ok)
        return throw_type(env, "allocSlab: the length must be a number");
    /* Written so that NaN fails too. */
    if (!(bytes >= 1 && bytes <= (double)MAX_SLAB_BYTES) || (double)(int64_t)bytes != bytes ||
        (int64_t)bytes % SLAB_ALIGNMENT != 0)
        return throw_type(env, "allocSlab: the length must be a positive multiple of 4096 and at most 1 TiB");
    struct slab *slab = slab_map((size_t)bytes);
    if (slab == NULL) return throw_code(env, "ENOMEM", "allocSlab: no memory to map");
    napi_value buffer;
    napi_status status =
        napi_create_external_arraybuffer(env, slab_data(slab), (size_t)bytes, finalize_slab, slab, &buffer);
    if (status == napi_ok) return buffer;
    slab_forget(slab);
    return throw_status(env);
}

/* The slab of an ArrayBuffer, held; NULL when it is none, or `detached` is set, or both. */
static struct slab *slab_of(napi_env env, napi_value value, bool *detached) {
    bool is_buffer = false;
    void *data = NULL;
    size_t bytes = 0;
    *detached = false;
    if (value == NULL || napi_is_arraybuffer(env, value, &is_buffer) != napi_ok || !is_buffer) return NULL;
    if (napi_is_detached_arraybuffer(env, value, detached) != napi_ok || *detached) return NULL;
    if (napi_get_arraybuffer_info(env, value, &data, &bytes) != napi_ok || bytes == 0) return NULL;
    return slab_hold(data);
}

napi_value free_slab(napi_env env, napi_callback_info info) {
    napi_value buffer = first_argument(env, info);
    bool detached;
    struct slab *slab = slab_of(env, buffer, &detached);
    if (slab == NULL) return detached ? NULL : throw_type(env, "freeSlab: the argument must be a slab of allocSlab");
    bool ok = napi_detach_arraybuffer(env, buffer) == napi_ok;
    if (ok) slab_free(slab);
    slab_release(slab);
    return ok ? NULL : throw_status(env);
}

napi_value trim_slab(napi_env env, napi_callback_info info) {
    napi_value arguments[2];
    bool detached;
    uint64_t from = 0;
    if (!arguments_of(env, info, 2, arguments)) return NULL;
    struct slab *slab = slab_of(env, arguments[0], &detached);
    if (slab == NULL)
        return throw_type(env, detached ? "trimSlab: the slab was freed"
                                        : "trimSlab: the argument must be a slab of allocSlab");
    napi_valuetype given = napi_undefined;
    napi_typeof(env, arguments[1], &given);
    bool good = given == napi_undefined || whole_of(env, arguments[1], slab_bytes(slab), &from);
    int error = good && from % SLAB_ALIGNMENT == 0 && from < slab_bytes(slab) ? slab_trim(slab, (size_t)from) : EINVAL;
    slab_release(slab);
    if (error == ENOMEM) return throw_code(env, "ENOMEM", "trimSlab: no memory");
    return error == 0 ? NULL : throw_type(env, "trimSlab: the beginning must be a multiple of 4096 inside the slab");
}

napi_value address_of(napi_env env, napi_callback_info info) {
    bool detached;
    napi_value address;
    struct slab *slab = slab_of(env, first_argument(env, info), &detached);
    if (slab == NULL) return NULL;
    /* Addresses of user space fit a double's mantissa. */
    double number = (double)(uintptr_t)slab_data(slab);
    slab_release(slab);
    return napi_create_double(env, number, &address) == napi_ok ? address : throw_status(env);
}
