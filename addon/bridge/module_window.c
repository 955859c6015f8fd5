/* createWindow, windowMemory, showSlab, windowChanged, clearWindow, fillSlab and copySlab: slabs for other threads than the one that has them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "module.h"
#include "slab.h"
#include "window.h"

#define MAX_WINDOW_BYTES (UINT64_C(1) << 40)
#define MAX_ADDRESS (UINT64_C(1) << 53)

static const napi_type_tag window_tag = {0x7d1f64b1c9e24a5b, 0x8a3e5b0c2f97d611};

/*
 * Only with its environment: a stage may have moved the memory to an ArrayBuffer of its own, and addons' threads may still look at
 * it. Nothing of this environment runs any more when its hooks do.
 */
static void end_window(void *window) {
    window_free(window);
}

napi_value create_window(napi_env env, napi_callback_info info) {
    uint64_t bytes;
    napi_value result;
    napi_value argument = first_argument(env, info);
    if (argument == NULL) return throw_status(env);
    if (!whole_of(env, argument, MAX_WINDOW_BYTES, &bytes) || bytes == 0 || bytes % SLAB_ALIGNMENT != 0)
        return throw_type(env, "createWindow: the length must be a positive multiple of 4096 and at most 1 TiB");
    struct window *window = window_make((size_t)bytes);
    if (window == NULL) return throw_errno(env, "createWindow", ENOMEM);
    if (napi_add_env_cleanup_hook(env, end_window, window) != napi_ok) {
        end_window(window);
        return throw_status(env);
    }
    if (napi_create_external(env, window, NULL, NULL, &result) != napi_ok) return throw_status(env);
    return napi_type_tag_object(env, result, &window_tag) == napi_ok ? result : throw_status(env);
}

static struct window *window_of(napi_env env, napi_value value) {
    napi_valuetype type;
    bool ours = false;
    void *window = NULL;
    if (value == NULL || napi_typeof(env, value, &type) != napi_ok || type != napi_external) return NULL;
    if (napi_check_object_type_tag(env, value, &window_tag, &ours) != napi_ok || !ours) return NULL;
    return napi_get_value_external(env, value, &window) == napi_ok ? window : NULL;
}

static void no_finalizer(napi_env env, void *data, void *hint) {
    (void)env;
    (void)data;
    (void)hint;
}

napi_value window_memory(napi_env env, napi_callback_info info) {
    napi_value buffer;
    struct window *window = window_of(env, first_argument(env, info));
    if (window == NULL) return throw_type(env, "windowMemory: the argument must come from createWindow");
    napi_status status = napi_create_external_arraybuffer(env, window_data(window), window_bytes(window), no_finalizer,
                                                          NULL, &buffer);
    return status == napi_ok ? buffer : throw_status(env);
}

/* The slab at an address, held, if `bytes` from `offset` on lie in it. */
static struct slab *place_of(napi_env env, napi_value address, napi_value offset, uint64_t bytes, uint64_t *from) {
    uint64_t number;
    if (!whole_of(env, address, MAX_ADDRESS, &number) || !whole_of(env, offset, MAX_ADDRESS, from)) return NULL;
    struct slab *slab = slab_hold((void *)(uintptr_t)number);
    if (slab == NULL) return NULL;
    if (*from <= slab_bytes(slab) && bytes <= slab_bytes(slab) - *from) return slab;
    slab_release(slab);
    return NULL;
}

napi_value show_slab(napi_env env, napi_callback_info info) {
    napi_value arguments[5];
    uint64_t bytes, from = 0;
    bool itself;
    if (!arguments_of(env, info, 5, arguments)) return NULL;
    struct window *window = window_of(env, arguments[0]);
    if (window == NULL) return throw_type(env, "showSlab: the first argument must come from createWindow");
    if (!whole_of(env, arguments[3], MAX_WINDOW_BYTES, &bytes) || bytes == 0 ||
        napi_get_value_bool(env, arguments[4], &itself) != napi_ok)
        return throw_type(env, "showSlab: the length must be a positive number, the last argument a boolean");
    struct slab *slab = place_of(env, arguments[1], arguments[2], bytes, &from);
    if (slab == NULL) return throw_type(env, "showSlab: there is no such place in a slab");
    off_t start;
    int fd = slab_file(slab, &start), error = 0;
    uint64_t skipped = from % SLAB_ALIGNMENT;
    uint64_t shown = (skipped + bytes + SLAB_ALIGNMENT - 1) / SLAB_ALIGNMENT * SLAB_ALIGNMENT;
    bool fits = shown <= window_bytes(window);
    if (fits) error = window_show(window, fd, start + (off_t)(from - skipped), (size_t)shown, itself);
    slab_release(slab);
    if (!fits) return throw_type(env, "showSlab: the window is too small");
    return error == 0 ? NULL : throw_errno(env, "showSlab", error);
}

napi_value window_was_changed(napi_env env, napi_callback_info info) {
    napi_value result;
    struct window *window = window_of(env, first_argument(env, info));
    if (window == NULL) return throw_type(env, "windowChanged: the argument must come from createWindow");
    return napi_get_boolean(env, window_changed(window), &result) == napi_ok ? result : throw_status(env);
}

napi_value clear_window(napi_env env, napi_callback_info info) {
    struct window *window = window_of(env, first_argument(env, info));
    if (window == NULL) return throw_type(env, "clearWindow: the argument must come from createWindow");
    int error = window_clear(window);
    return error == 0 ? NULL : throw_errno(env, "clearWindow", error);
}

napi_value fill_slab(napi_env env, napi_callback_info info) {
    napi_value arguments[3];
    struct view view;
    uint64_t to = 0;
    bool detached = true;
    if (!arguments_of(env, info, 3, arguments)) return NULL;
    if (!view_of(env, arguments[2], &view)) return throw_type(env, "fillSlab: the bytes must be a Uint8Array");
    if (napi_is_detached_arraybuffer(env, view.buffer, &detached) == napi_ok && detached)
        return throw_type(env, "fillSlab: the bytes were freed or transferred");
    struct slab *slab = place_of(env, arguments[0], arguments[1], view.bytes, &to);
    if (slab == NULL) return throw_type(env, "fillSlab: there is no such place in a slab");
    if (view.bytes > 0) memmove((char *)slab_data(slab) + to, view.data, view.bytes);
    slab_release(slab);
    return NULL;
}

napi_value copy_slab(napi_env env, napi_callback_info info) {
    napi_value arguments[5];
    uint64_t bytes, from = 0, to = 0;
    if (!arguments_of(env, info, 5, arguments)) return NULL;
    if (!whole_of(env, arguments[4], MAX_WINDOW_BYTES, &bytes))
        return throw_type(env, "copySlab: the length must be a number");
    struct slab *source = place_of(env, arguments[0], arguments[1], bytes, &from);
    struct slab *target = place_of(env, arguments[2], arguments[3], bytes, &to);
    bool good = source != NULL && target != NULL;
    if (good) memmove((char *)slab_data(target) + to, (char *)slab_data(source) + from, bytes);
    if (source != NULL) slab_release(source);
    if (target != NULL) slab_release(target);
    return good ? NULL : throw_type(env, "copySlab: there is no such place in a slab");
}
