/* Mapping a host's memory and receiving its descriptor: what may be touched, and that nothing stays open. */
#include "arena.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "receive.h"
#include "slab.h"

#define PAGE 4096u
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define MOST_DESCRIPTORS 12

static unsigned open_descriptors(void) {
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder != NULL && readdir(folder) != NULL) count++;
    if (folder != NULL) closedir(folder);
    return count;
}

static int memory(size_t bytes, int seals) {
    int fd = memfd_create("arena-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0 && fcntl(fd, F_ADD_SEALS, seals) == 0);
    return fd;
}

static void release(void *arena) {
    arena_release(arena);
}

static void mapping(void) {
    int error = 0, fd = memory(4 * PAGE, SEALS);
    struct arena *arena = arena_map(fd, 4 * PAGE, &error);
    CHECK(arena != NULL && arena_bytes(arena) == 4 * PAGE);
    close(fd);
    char *data = arena_data(arena);
    strcpy(data + PAGE, "still here");
    arena_hold(arena);
    struct slab *view = slab_adopt(data + PAGE, PAGE, arena_fd(arena), PAGE, release, arena);
    CHECK(view != NULL && slab_hold(data + PAGE) == view && slab_hold(data) == NULL);
    arena_release(arena);
    slab_free(view);
    CHECK(slab_hold(data + PAGE) == NULL);
    /* Somebody still reads. */
    CHECK(strcmp(data + PAGE, "still here") == 0);
    slab_release(view);
    slab_forget(view);
}

static void refused(int fd, size_t bytes, int expected) {
    int error = 0;
    CHECK(arena_map(fd, bytes, &error) == NULL && error == expected);
    close(fd);
}

static void unsafe_memory(void) {
    refused(memory(PAGE, SEALS), 2 * PAGE, EINVAL);
    refused(memory(PAGE, F_SEAL_GROW), PAGE, EINVAL);
    refused(memory(PAGE, F_SEAL_SHRINK | F_SEAL_WRITE), PAGE, EPERM);
    refused(open("/dev/zero", O_RDWR | O_CLOEXEC), PAGE, EINVAL);
    refused(-1, PAGE, EBADF);
}

static void send_descriptors(int socket, size_t bytes, int fd, unsigned count) {
    char payload[64] = {0};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))];
    } control = {.room = {0}};
    struct iovec from = {.iov_base = payload, .iov_len = bytes};
    struct msghdr message = {.msg_iov = &from, .msg_iovlen = 1};
    if (count > 0) {
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        for (unsigned i = 0; i < count; i++) memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
    }
    CHECK(sendmsg(socket, &message, 0) == (ssize_t)bytes);
}

static void receiving(void) {
    int pair[2], descriptor = -1, fd = memory(PAGE, SEALS);
    char bytes[32];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    unsigned before = open_descriptors();
    CHECK(receive_with_one(pair[1], bytes, sizeof bytes, &descriptor) == -1 && errno == EAGAIN);

    send_descriptors(pair[0], 16, fd, 1);
    CHECK(receive_with_one(pair[1], bytes, sizeof bytes, &descriptor) == 16);
    CHECK(arena_seals(descriptor) == SEALS && (fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0);
    close(descriptor);

    for (unsigned count = 0; count <= MOST_DESCRIPTORS; count++) {
        if (count == 1) continue;
        send_descriptors(pair[0], 16, fd, count);
        CHECK(receive_with_one(pair[1], bytes, sizeof bytes, &descriptor) == -1 && errno == EBADMSG);
    }
    CHECK(open_descriptors() == before);
    close(pair[0]);
    CHECK(receive_with_one(pair[1], bytes, sizeof bytes, &descriptor) == 0);
    CHECK(receive_with_one(fd, bytes, sizeof bytes, &descriptor) == -1 && errno == ENOTSOCK);
    close(pair[1]);
    close(fd);
}

int main(void) {
    unsigned before = open_descriptors();
    mapping();
    unsafe_memory();
    receiving();
    CHECK(open_descriptors() == before);
    printf("arena: ok\n");
    return 0;
}
