/* prefault: pages of a slab, made on a thread of libuv's pool. */
#include <stdlib.h>
#include <sys/mman.h>

#include "module.h"
#include "slab.h"

#ifndef MADV_POPULATE_WRITE
/* Linux 5.14; glibc before 2.35 does not know it. */
#define MADV_POPULATE_WRITE 23
#endif

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

napi_value prefault(napi_env env, napi_callback_info info) {
    struct view view;
    napi_value promise, name;
    bool some = view_of(env, first_argument(env, info), &view) && view.bytes > 0;
    struct slab *slab = some ? slab_hold(view.memory) : NULL;
    if (slab == NULL) return throw_type(env, "prefault: the bytes must be a Uint8Array in a slab");
    struct prefault *call = malloc(sizeof *call);
    if (call == NULL) {
        slab_release(slab);
        return throw_code(env, "ENOMEM", "prefault: no memory");
    }
    /* A slab begins and ends with whole pages. */
    uintptr_t from = (uintptr_t)view.data & ~(uintptr_t)(SLAB_ALIGNMENT - 1);
    size_t bytes = (view.bytes + ((uintptr_t)view.data - from) + SLAB_ALIGNMENT - 1) & ~(size_t)(SLAB_ALIGNMENT - 1);
    *call = (struct prefault){.slab = slab, .from = from, .bytes = bytes};
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
