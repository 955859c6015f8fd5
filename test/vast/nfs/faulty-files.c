/*
 * Preloaded into a process, lets its file operations fail: fault.test.ts. What fails is read from the file named by VOST_FILE_FAULTS, anew
 * for every operation: "OP ERRNO FROM COUNT" fails the FROM-th (from 1) to FROM+COUNT-1-th of `write`, `sync`, `rename`, `read`, `open`, `look`
 * (realpath, statfs), or `all` of these, since the text changed, with that number; -1 holds them up until the text changes, as a server that
 * hangs does. Only paths with the prefix VOST_FILE_PREFIX count. Each failure appends a byte to the file's name + ".hits".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char last[128];
static long seen;

static int read_plan(const char *file, char *text, size_t size) {
  int fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return 0;
  ssize_t got = syscall(SYS_read, fd, text, size - 1);
  close(fd);
  text[got > 0 ? got : 0] = 0;
  return got > 0;
}

static void note(const char *file) {
  char name[PATH_MAX];
  snprintf(name, sizeof name, "%s.hits", file);
  int fd = (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return;
  if (syscall(SYS_write, fd, "x", 1) != 1) abort();
  close(fd);
}

/* As long as the plan stays what it is. */
static void hang(const char *file, const char *plan) {
  char text[sizeof last];
  do {
    usleep(20000);
    if (!read_plan(file, text, sizeof text)) return;
  } while (strcmp(text, plan) == 0);
}

/* The number to fail with, 0 to go on. */
static int fault(const char *op, const char *path) {
  const char *file = getenv("VOST_FILE_FAULTS"), *prefix = getenv("VOST_FILE_PREFIX");
  if (!file || !prefix || strncmp(path, prefix, strlen(prefix)) != 0) return 0;
  char text[sizeof last], name[16];
  int number = 0;
  long from, count;
  pthread_mutex_lock(&lock);
  if (read_plan(file, text, sizeof text)) {
    if (strcmp(text, last) != 0) {
      strcpy(last, text);
      seen = 0;
    }
    if (sscanf(text, "%15s %d %ld %ld", name, &number, &from, &count) != 4 || (strcmp(name, op) != 0 && strcmp(name, "all") != 0)) {
      number = 0;
    } else {
      seen++;
      if (seen < from || seen - from >= count) number = 0;
      else note(file);
    }
  }
  pthread_mutex_unlock(&lock);
  if (number >= 0) return number;
  hang(file, text);
  return 0;
}

static int fault_of(const char *op, int fd) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t got = readlink(link, path, sizeof path - 1);
  if (got < 0) return 0;
  path[got] = 0;
  return fault(op, path);
}

#define OVER_FD(op, type, name, params, args)                \
  type name params {                                         \
    static type(*real) params;                               \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name);    \
    int number = fault_of(op, fd);                           \
    if (number) {                                            \
      errno = number;                                        \
      return -1;                                             \
    }                                                        \
    return real args;                                        \
  }

OVER_FD("write", ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
OVER_FD("write", ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
OVER_FD("write", ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at))
OVER_FD("write", ssize_t, writev, (int fd, const struct iovec *data, int count), (fd, data, count))
OVER_FD("write", ssize_t, pwritev, (int fd, const struct iovec *data, int count, off_t at), (fd, data, count, at))
OVER_FD("write", ssize_t, pwritev64, (int fd, const struct iovec *data, int count, off64_t at), (fd, data, count, at))
OVER_FD("sync", int, fsync, (int fd), (fd))
OVER_FD("sync", int, fdatasync, (int fd), (fd))

OVER_FD("read", ssize_t, pread, (int fd, void *data, size_t size, off_t at), (fd, data, size, at))
OVER_FD("read", ssize_t, pread64, (int fd, void *data, size_t size, off64_t at), (fd, data, size, at))

static char *real_realpath(const char *path, char *resolved) {
  static char *(*real)(const char *, char *);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "realpath");
  return real(path, resolved);
}

/* Names are given whole, or below /proc/self/fd/N of their folder. */
static int fault_at(const char *op, const char *name) {
  if (strncmp(name, "/proc/self/fd/", 14) != 0) return fault(op, name);
  char folder[PATH_MAX], path[PATH_MAX];
  snprintf(folder, sizeof folder, "%s", name);
  char *slash = strrchr(folder, '/');
  if (slash) *slash = 0;
  return fault(op, real_realpath(folder, path) ? path : name);
}

#define OVER_NAME(op, type, failed, name, path, params, args) \
  type name params {                                          \
    static type(*real) params;                                \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name);     \
    int number = fault_at(op, path);                          \
    if (number) {                                             \
      errno = number;                                         \
      return failed;                                          \
    }                                                         \
    return real args;                                         \
  }

OVER_NAME("rename", int, -1, rename, from, (const char *from, const char *to), (from, to))
OVER_NAME("look", char *, NULL, realpath, path, (const char *path, char *resolved), (path, resolved))
OVER_NAME("look", int, -1, statfs, path, (const char *path, struct statfs *into), (path, into))
OVER_NAME("look", int, -1, statfs64, path, (const char *path, struct statfs64 *into), (path, into))

#define OVER_OPEN(name)                                                        \
  int name(const char *path, int flags, ...) {                                 \
    static int (*real)(const char *, int, ...);                                \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name);                      \
    va_list rest;                                                              \
    va_start(rest, flags);                                                     \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;    \
    va_end(rest);                                                              \
    int number = fault_at("open", path);                                       \
    if (number) {                                                              \
      errno = number;                                                          \
      return -1;                                                               \
    }                                                                          \
    return real(path, flags, mode);                                            \
  }

OVER_OPEN(open)
OVER_OPEN(open64)
