#include "receive.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for more than one, so that several are seen as such; the kernel closes what does not fit. */
#define ROOM 4

ssize_t receive_with_one(int socket, void *bytes, size_t space, int *descriptor) {
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(ROOM * sizeof(int))];
    } control;
    struct iovec into = {.iov_base = bytes, .iov_len = space};
    struct msghdr message = {
        .msg_iov = &into, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    ssize_t got;
    do got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0) return -1;

    int found[ROOM];
    size_t count = 0;
    bool foreign = false;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
            foreign = true;
            continue;
        }
        size_t bytes_here = header->cmsg_len - CMSG_LEN(0);
        for (size_t at = 0; at + sizeof(int) <= bytes_here && count < ROOM; at += sizeof(int))
            memcpy(&found[count++], CMSG_DATA(header) + at, sizeof(int));
    }
    if (count == 1 && !foreign && (message.msg_flags & MSG_CTRUNC) == 0 && got > 0) {
        *descriptor = found[0];
        return got;
    }
    for (size_t i = 0; i < count; i++) close(found[i]);
    if (got == 0 && count == 0) return 0;
    errno = EBADMSG;
    return -1;
}
