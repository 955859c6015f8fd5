/* receiveWithDescriptor, peerOf, sendDatagram and tryLock: what Node's sockets and files cannot do. */
#include <errno.h>
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "module.h"
#include "receive.h"

#define MAX_MESSAGE_BYTES 65536

static bool set_number(napi_env env, napi_value object, const char *name, double value) {
    napi_value number;
    return napi_create_double(env, value, &number) == napi_ok &&
           napi_set_named_property(env, object, name, number) == napi_ok;
}

napi_value receive_with_descriptor(napi_env env, napi_callback_info info) {
    napi_value arguments[2], result, data;
    uint64_t space;
    int socket, descriptor = -1;
    if (!arguments_of(env, info, 2, arguments)) return NULL;
    if (!descriptor_of(env, arguments[0], &socket))
        return throw_type(env, "receiveWithDescriptor: the socket must be a number");
    if (!whole_of(env, arguments[1], MAX_MESSAGE_BYTES, &space) || space == 0)
        return throw_type(env, "receiveWithDescriptor: the length must be from 1 to 65536");
    char bytes[MAX_MESSAGE_BYTES];
    ssize_t got = receive_with_one(socket, bytes, (size_t)space, &descriptor);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return NULL;
    if (got <= 0) return throw_errno(env, "receiveWithDescriptor", got == 0 ? ECONNRESET : errno);
    if (napi_create_object(env, &result) == napi_ok &&
        napi_create_buffer_copy(env, (size_t)got, bytes, NULL, &data) == napi_ok &&
        napi_set_named_property(env, result, "data", data) == napi_ok &&
        set_number(env, result, "descriptor", descriptor))
        return result;
    close(descriptor);
    return throw_status(env);
}

napi_value peer_of(napi_env env, napi_callback_info info) {
    napi_value argument = first_argument(env, info), result;
    struct ucred peer;
    socklen_t length = sizeof peer;
    int socket;
    if (argument == NULL || !descriptor_of(env, argument, &socket))
        return throw_type(env, "peerOf: the socket must be a number");
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return throw_errno(env, "peerOf", errno);
    if (napi_create_object(env, &result) == napi_ok && set_number(env, result, "pid", peer.pid) &&
        set_number(env, result, "uid", peer.uid) && set_number(env, result, "gid", peer.gid))
        return result;
    return throw_status(env);
}

napi_value send_datagram(napi_env env, napi_callback_info info) {
    napi_value arguments[2];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[sizeof address.sun_path + 1], text[1024];
    size_t path_bytes, text_bytes;
    if (!arguments_of(env, info, 2, arguments)) return NULL;
    if (napi_get_value_string_utf8(env, arguments[0], path, sizeof path, &path_bytes) != napi_ok || path_bytes == 0 ||
        path_bytes >= sizeof address.sun_path)
        return throw_type(env, "sendDatagram: the address must be a path of at most 107 bytes");
    if (napi_get_value_string_utf8(env, arguments[1], text, sizeof text, &text_bytes) != napi_ok)
        return throw_type(env, "sendDatagram: the message must be a string");
    memcpy(address.sun_path, path, path_bytes);
    if (address.sun_path[0] == '@') address.sun_path[0] = 0;
    int socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket_fd < 0) return throw_errno(env, "sendDatagram", errno);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_bytes);
    ssize_t sent = sendto(socket_fd, text, text_bytes, MSG_NOSIGNAL, (const struct sockaddr *)&address, length);
    int error = errno;
    close(socket_fd);
    return sent < 0 ? throw_errno(env, "sendDatagram", error) : NULL;
}

napi_value try_lock(napi_env env, napi_callback_info info) {
    napi_value argument = first_argument(env, info), result;
    int fd;
    if (argument == NULL || !descriptor_of(env, argument, &fd))
        return throw_type(env, "tryLock: the descriptor must be a number");
    bool locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno != EWOULDBLOCK) return throw_errno(env, "tryLock", errno);
    return napi_get_boolean(env, locked, &result) == napi_ok ? result : throw_status(env);
}
