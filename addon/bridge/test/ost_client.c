/* The plugin's part of a hello, for the engine's tests: build/ost-client.node. */
#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_DESCRIPTORS 8

static napi_value fail(napi_env env, const char *what) {
    napi_throw_error(env, what, strerror(errno));
    return NULL;
}

/* makeMemfd(bytes, seals): a memfd of that length with these seals. */
static napi_value make_memfd(napi_env env, napi_callback_info info) {
    size_t count = 2;
    napi_value arguments[2], result;
    int64_t bytes = 0;
    int32_t seals = 0;
    napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
    napi_get_value_int64(env, arguments[0], &bytes);
    napi_get_value_int32(env, arguments[1], &seals);
    int fd = memfd_create("ost-client", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, bytes) != 0 || fcntl(fd, F_ADD_SEALS, seals) != 0) return fail(env, "memfd");
    napi_create_int32(env, fd, &result);
    return result;
}

/* sendWithDescriptors(socket, bytes, [fd, …]) */
static napi_value send_with_descriptors(napi_env env, napi_callback_info info) {
    size_t count = 3, length = 0;
    napi_value arguments[3], element;
    int32_t socket = -1;
    uint32_t descriptors = 0;
    void *bytes = NULL;
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(MAX_DESCRIPTORS * sizeof(int))];
    } control;
    napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
    napi_get_value_int32(env, arguments[0], &socket);
    napi_get_buffer_info(env, arguments[1], &bytes, &length);
    napi_get_array_length(env, arguments[2], &descriptors);
    struct iovec from = {.iov_base = bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &from, .msg_iovlen = 1};
    if (descriptors > 0 && descriptors <= MAX_DESCRIPTORS) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(descriptors * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
        for (uint32_t i = 0; i < descriptors; i++) {
            int32_t fd = -1;
            napi_get_element(env, arguments[2], i, &element);
            napi_get_value_int32(env, element, &fd);
            memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof fd);
        }
    }
    if (sendmsg(socket, &message, MSG_NOSIGNAL) != (ssize_t)length) return fail(env, "sendmsg");
    return NULL;
}

NAPI_MODULE_INIT() {
    const napi_property_descriptor properties[] = {
        {"makeMemfd", NULL, make_memfd, NULL, NULL, NULL, napi_enumerable, NULL},
        {"sendWithDescriptors", NULL, send_with_descriptors, NULL, NULL, NULL, napi_enumerable, NULL},
    };
    napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties);
    return exports;
}
