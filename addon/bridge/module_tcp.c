/* tcpProgress: how far the bytes of a connection have come, and for how long the other side did not want them. */
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "module.h"

static bool set(napi_env env, napi_value object, const char *name, double value) {
    napi_value number;
    return napi_create_double(env, value, &number) == napi_ok &&
           napi_set_named_property(env, object, name, number) == napi_ok;
}

napi_value tcp_progress(napi_env env, napi_callback_info info) {
    napi_value argument = first_argument(env, info), result;
    /* Kernels before 4.10 fill in less of it: the rest stays 0. */
    struct tcp_info tcp = {0};
    socklen_t length = sizeof tcp;
    int socket, queued;
    if (argument == NULL || !descriptor_of(env, argument, &socket))
        return throw_type(env, "tcpProgress: the socket must be a number");
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &tcp, &length) != 0 || ioctl(socket, SIOCOUTQ, &queued) != 0)
        return throw_errno(env, "tcpProgress", errno);
    if (napi_create_object(env, &result) == napi_ok && set(env, result, "acknowledged", (double)tcp.tcpi_bytes_acked) &&
        set(env, result, "queued", queued) && set(env, result, "closedMs", (double)tcp.tcpi_rwnd_limited / 1000))
        return result;
    return throw_status(env);
}
