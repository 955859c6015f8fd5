/* mapArena, arenaView, unmapArena and sealsOf: a host's shared memory as ArrayBuffers. */
#include <errno.h>
#include <stdlib.h>

#include "arena.h"
#include "module.h"
#include "slab.h"

/* 4096 slots of 256 MiB and the journals: the most that the protocol allows is just above 1 TiB. */
#define MAX_ARENA_BYTES (UINT64_C(1) << 41)

/* Tells our objects from those of other addons. */
static const napi_type_tag arena_tag = {0x5f0c2f8e8a1d4c11, 0x9d6e44a3a1b7703c};

/* What JavaScript holds; `arena` is NULL once it was unmapped. */
struct mapped {
    struct arena *arena;
};

static void unmap(struct mapped *mapped) {
    if (mapped->arena != NULL) arena_release(mapped->arena);
    mapped->arena = NULL;
}

static void finalize_arena(napi_env env, void *data, void *hint) {
    (void)env;
    (void)hint;
    unmap(data);
    free(data);
}

napi_value map_arena(napi_env env, napi_callback_info info) {
    napi_value arguments[2], result;
    uint64_t bytes;
    int fd, error = 0;
    if (!arguments_of(env, info, 2, arguments)) return NULL;
    if (!descriptor_of(env, arguments[0], &fd)) return throw_type(env, "mapArena: the descriptor must be a number");
    if (!whole_of(env, arguments[1], MAX_ARENA_BYTES, &bytes) || bytes == 0 || bytes % SLAB_ALIGNMENT != 0)
        return throw_type(env, "mapArena: the length must be a positive multiple of 4096 and at most 2 TiB");
    struct mapped *mapped = malloc(sizeof *mapped);
    if (mapped == NULL) return throw_errno(env, "mapArena", ENOMEM);
    mapped->arena = arena_map(fd, (size_t)bytes, &error);
    if (mapped->arena == NULL) {
        free(mapped);
        return throw_errno(env, "mapArena", error);
    }
    if (napi_create_external(env, mapped, finalize_arena, NULL, &result) != napi_ok) {
        finalize_arena(env, mapped, NULL);
        return throw_status(env);
    }
    return napi_type_tag_object(env, result, &arena_tag) == napi_ok ? result : throw_status(env);
}

static struct mapped *mapped_of(napi_env env, napi_value value) {
    napi_valuetype type;
    bool ours = false;
    void *mapped = NULL;
    if (napi_typeof(env, value, &type) != napi_ok || type != napi_external) return NULL;
    if (napi_check_object_type_tag(env, value, &arena_tag, &ours) != napi_ok || !ours) return NULL;
    return napi_get_value_external(env, value, &mapped) == napi_ok ? mapped : NULL;
}

static void forget_view(napi_env env, void *data, void *slab) {
    (void)env;
    (void)data;
    slab_forget(slab);
}

static void release_arena(void *arena) {
    arena_release(arena);
}

napi_value arena_view(napi_env env, napi_callback_info info) {
    napi_value arguments[3], view;
    uint64_t offset, bytes;
    if (!arguments_of(env, info, 3, arguments)) return NULL;
    struct mapped *mapped = mapped_of(env, arguments[0]);
    if (mapped == NULL) return throw_type(env, "arenaView: the first argument must come from mapArena");
    if (mapped->arena == NULL) return throw_type(env, "arenaView: the arena was unmapped");
    size_t total = arena_bytes(mapped->arena);
    if (!whole_of(env, arguments[1], total, &offset) || !whole_of(env, arguments[2], total, &bytes) || bytes == 0 ||
        offset % SLAB_ALIGNMENT != 0 || bytes % SLAB_ALIGNMENT != 0 || bytes > total - offset)
        return throw_type(env, "arenaView: offset and length must be multiples of 4096 inside the arena");
    void *data = (char *)arena_data(mapped->arena) + offset;
    arena_hold(mapped->arena);
    /* A view is a slab like any other, so digests hold what they read and freeSlab ends it. */
    struct slab *slab = slab_adopt(data, (size_t)bytes, arena_fd(mapped->arena), (off_t)offset, release_arena, mapped->arena);
    if (slab == NULL) {
        arena_release(mapped->arena);
        return throw_errno(env, "arenaView", ENOMEM);
    }
    if (napi_create_external_arraybuffer(env, data, (size_t)bytes, forget_view, slab, &view) == napi_ok) return view;
    slab_forget(slab);
    return throw_status(env);
}

napi_value unmap_arena(napi_env env, napi_callback_info info) {
    napi_value argument = first_argument(env, info);
    struct mapped *mapped = argument == NULL ? NULL : mapped_of(env, argument);
    if (mapped == NULL) return throw_type(env, "unmapArena: the argument must come from mapArena");
    unmap(mapped);
    return NULL;
}

napi_value seals_of(napi_env env, napi_callback_info info) {
    napi_value argument = first_argument(env, info), result;
    int fd;
    if (argument == NULL || !descriptor_of(env, argument, &fd))
        return throw_type(env, "sealsOf: the descriptor must be a number");
    int seals = arena_seals(fd);
    if (seals < 0) return throw_errno(env, "sealsOf", errno);
    return napi_create_int32(env, seals, &result) == napi_ok ? result : throw_status(env);
}
