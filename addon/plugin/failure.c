#include "failure.h"
#include <stdarg.h>
#include <stdio.h>

int fail(struct failure *failure, int status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(failure->cause, sizeof(failure->cause), format, arguments);
  va_end(arguments);
  failure->status = status;
  return status;
}
