/* Log lines: to the plugin's own file and to the host's callback. One write per line, no buffering. */
#ifndef VOST_LOG_H
#define VOST_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR = 0, LOG_WARNING = 1, LOG_INFO = 2, LOG_DEBUG = 3 };

struct log {
  int fd; /* -1: not open */
  enum log_level level;
  char path[256];
};

/* Where a line comes from; the strings may be NULL. */
struct log_origin {
  const char *function;
  const char *job;
  const char *server;
  void (*host)(void *context, int severity, const char *line);
  void *host_context;
};

void log_open(struct log *log, const char *path, enum log_level level);
void log_close(struct log *log);
/* Is a line of this level wanted by anybody? */
bool log_wanted(const struct log *log, enum log_level level, const struct log_origin *origin);
void log_line(struct log *log, enum log_level level, const struct log_origin *origin, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
