#include "log.h"
#include "stspi.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void log_open(struct log *log, const char *path, enum log_level level) {
  log->fd = -1;
  log->level = level;
  snprintf(log->path, sizeof(log->path), "%s", path);
  /* A log that cannot be opened is no reason to fail a backup. */
  if (*path != 0) log->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
}

void log_close(struct log *log) {
  if (log->fd >= 0) close(log->fd);
  log->fd = -1;
}

bool log_wanted(const struct log *log, enum log_level level, const struct log_origin *origin) {
  return level <= log->level && (log->fd >= 0 || (origin != NULL && origin->host != NULL));
}

/* The vendor-style head: time, severity, job:pid:thread:server, function. */
static int format_head(char *line, size_t space, enum log_level level, const struct log_origin *origin) {
  static const int severities[] = {STS_LOG_ERROR, STS_LOG_WARNING, STS_LOG_INFO, STS_LOG_DEBUG};
  struct timespec now;
  struct tm parts;
  clock_gettime(CLOCK_REALTIME, &now);
  localtime_r(&now.tv_sec, &parts);
  return snprintf(line, space, "%02d:%02d:%02d.%03ld %04d-%02d-%02d <%d> %s:%ld:%ld:%s %s: ", parts.tm_hour,
                  parts.tm_min, parts.tm_sec, now.tv_nsec / 1000000, parts.tm_year + 1900, parts.tm_mon + 1,
                  parts.tm_mday, severities[level],
                  origin->job != NULL && *origin->job != 0 ? origin->job : "-", (long)getpid(),
                  (long)syscall(SYS_gettid), origin->server != NULL ? origin->server : "-",
                  origin->function != NULL ? origin->function : "-");
}

void log_line(struct log *log, enum log_level level, const struct log_origin *origin, const char *format, ...) {
  static const int severities[] = {STS_LOG_ERROR, STS_LOG_WARNING, STS_LOG_INFO, STS_LOG_DEBUG};
  static const struct log_origin none = {NULL, NULL, NULL, NULL, NULL};
  if (!log_wanted(log, level, origin)) return;
  if (origin == NULL) origin = &none;
  char line[2048];
  int head = format_head(line, sizeof(line) - 1, level, origin);
  if (head < 0 || (size_t)head >= sizeof(line) - 1) return;
  va_list arguments;
  va_start(arguments, format);
  int body = vsnprintf(line + head, sizeof(line) - 1 - (size_t)head, format, arguments);
  va_end(arguments);
  if (body < 0) return;
  size_t length = strlen(line);
  /* What came from storage or the host must not forge lines. */
  for (size_t i = 0; i < length; i++)
    if ((unsigned char)line[i] < 0x20) line[i] = ' ';
  /* The host puts time, job and process before its lines itself. */
  size_t said = strlen(origin->function != NULL ? origin->function : "-") + 2;
  if (origin->host != NULL) origin->host(origin->host_context, severities[level], line + (size_t)head - said);
  if (log->fd < 0) return;
  line[length] = '\n';
  ssize_t ignored = write(log->fd, line, length + 1);
  (void)ignored;
}
