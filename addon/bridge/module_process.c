/* forbidDumps: what of this process other processes may see; leave: its end. */
#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "module.h"

napi_value forbid_dumps(napi_env env, napi_callback_info info) {
    (void)info;
    struct rlimit limit;
    napi_value result;
    if (getrlimit(RLIMIT_CORE, &limit) != 0) return throw_errno(env, "forbidDumps", errno);
    /* A limit of 0 alone keeps no core from a pipe in core_pattern: core(5). */
    bool off = limit.rlim_cur == 0;
    if (off && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return throw_errno(env, "forbidDumps", errno);
    return napi_get_boolean(env, off, &result) == napi_ok ? result : throw_status(env);
}

napi_value leave(napi_env env, napi_callback_info info) {
    napi_value argument = first_argument(env, info);
    uint64_t code;
    if (!whole_of(env, argument, UINT8_MAX, &code)) return throw_type(env, "leave: an exit code is a whole number from 0 to 255");
    /* exit(3) would wait for the threads of libuv. */
    _exit((int)code);
}
