/* Why a call failed: the STS number for the host and the cause for the log. */
#ifndef VOST_FAILURE_H
#define VOST_FAILURE_H

struct failure {
  int status;
  char cause[1088];
};

/* Note a failure; the value is `status`, for `return fail(...)`. A later one replaces an earlier one. */
int fail(struct failure *failure, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
