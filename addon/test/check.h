/* The few lines of a test framework that the C tests need: TAP on stdout. */
#ifndef VOST_TEST_CHECK_H
#define VOST_TEST_CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static _Atomic int check_count, check_failed;

static inline void check_at(bool ok, const char *file, int line, const char *text) {
  check_count++;
  if (ok) return;
  check_failed++;
  printf("not ok %d - %s:%d: %s\n", check_count, file, line, text);
  fflush(stdout);
}

#define CHECK(condition) check_at((condition), __FILE__, __LINE__, #condition)

/* Print the summary; the value is the exit code. */
static inline int check_done(const char *name) {
  printf("%s - %s: %d checks, %d failed\n", check_failed == 0 ? "ok" : "not ok", name, check_count,
         check_failed);
  return check_failed == 0 ? 0 : 1;
}

#endif
