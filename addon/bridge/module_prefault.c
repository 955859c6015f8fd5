/* prefault: pages of a slab, made on a thread of libuv's pool. */
#include <stdlib.h>
#include <sys/mman.h>

#include "module.h"
#include "slab.h"

/* One call. The slab is held, so its addresses stay mapped even when its ArrayBuffer is freed meanwhile. */
struct prefault {
    struct slab *slab;
    uintptr_t from;
    size_t bytes;
    napi_async_work work;
    napi_deferred deferred;
};

/* Linux before 5.14 cannot, and there may be no memory: then whoever touches a page first makes it, or fails, as without this. */
static void make_pages(napi_env env, void *data) {
    (void)env;
    struct prefault *call = data;
    madvise((void *)call->from, call->bytes, MADV_POPULATE_WRITE);
}

static void end(napi_env env, napi_status status, void *data) {
    struct prefault *call = data;
    napi_value nothing;
    (void)status;
    slab_release(call->slab);
    napi_delete_async_work(env, call->work);
    if (napi_get_undefined(env, &nothing) == napi_ok) napi_resolve_deferred(env, call->deferred, nothing);
    free(call);
}

/* The slab that `bytes` are in, held, and where they are; NULL when they are in none. */
static struct slab *place_of(napi_env env, napi_value value, uintptr_t *data, size_t *bytes) {
    bool is_array = false;
    napi_typedarray_type type;
    size_t offset;
    void *place;
    napi_value buffer;
    if (value == NULL || napi_is_typedarray(env, value, &is_array) != napi_ok || !is_array) return NULL;
    if (napi_get_typedarray_info(env, value, &type, bytes, &place, &buffer, &offset) != napi_ok) return NULL;
    if (type != napi_uint8_array || *bytes == 0) return NULL;
    *data = (uintptr_t)place;
    return slab_hold((char *)place - offset);
}

napi_value prefault(napi_env env, napi_callback_info info) {
    uintptr_t data;
    size_t bytes;
    napi_value promise, name;
    struct slab *slab = place_of(env, first_argument(env, info), &data, &bytes);
    if (slab == NULL) return throw_type(env, "prefault: the bytes must be a Uint8Array in a slab");
    struct prefault *call = malloc(sizeof *call);
    if (call == NULL) {
        slab_release(slab);
        return throw_code(env, "ENOMEM", "prefault: no memory");
    }
    /* A slab begins and ends with whole pages. */
    uintptr_t from = data & ~(uintptr_t)(SLAB_ALIGNMENT - 1);
    size_t pages = (bytes + (data - from) + SLAB_ALIGNMENT - 1) & ~(size_t)(SLAB_ALIGNMENT - 1);
    *call = (struct prefault){.slab = slab, .from = from, .bytes = pages};
    if (napi_create_string_utf8(env, "prefault", NAPI_AUTO_LENGTH, &name) == napi_ok &&
        napi_create_promise(env, &call->deferred, &promise) == napi_ok &&
        napi_create_async_work(env, NULL, name, make_pages, end, call, &call->work) == napi_ok) {
        if (napi_queue_async_work(env, call->work) == napi_ok) return promise;
        napi_delete_async_work(env, call->work);
    }
    slab_release(slab);
    free(call);
    return throw_status(env);
}
