/* Which STS number every result of the engine becomes. Administrators and scripts know these numbers: the list is fixed. */
#include "../plugin/status.h"
#include "../wire/limits.h"
#include "check.h"
#include "stspi.h"
#include <string.h>

static const struct {
  uint32_t result;
  int status;
  const char *name;
} wanted[] = {
    {WIRE_OK, 0, "STS_EOK"},
    {WIRE_INVALID, 2060001, "STS_EINVAL"},
    {WIRE_NO_MEMORY, 2060002, "STS_ENOMEM"},
    {WIRE_BUSY, 2060005, "STS_EBUSY"},
    {WIRE_AGAIN, 2060012, "STS_EAGAIN"},
    {WIRE_NOT_FOUND, 2060013, "STS_ENOENT"},
    {WIRE_END, 2060013, "STS_ENOENT"},
    {WIRE_ABORTED, 2060014, "STS_EABORT"},
    {WIRE_SYSTEM, 2060017, "STS_ESYSCALL"},
    {WIRE_NETWORK, 2060019, "STS_ESOCK"},
    {WIRE_INTERNAL, 2060022, "STS_EINTERNAL"},
    {WIRE_AUTH, 2060029, "STS_EAUTH"},
    {WIRE_ACCESS, 2060037, "STS_EACCESS"},
    {WIRE_NO_SPACE, 2060902, "STS_ENOSPC"},
    {WIRE_EXISTS, 2060904, "STS_EEXIST"},
    {WIRE_UNSUPPORTED, 2060905, "STS_ENOTSUP"},
    {WIRE_READ_ONLY, 2060057, "STS_EWRITEPROT"},
    {WIRE_WORM_MINIMUM, 2060064, "STS_EWORM_MIN"},
    {WIRE_WORM_MAXIMUM, 2060065, "STS_EWORM_MAX"},
    {WIRE_WORM_LOCKED, 2060069, "STS_EWORM_LOCK"},
    {WIRE_INTEGRITY, 2060046, "STS_EPLUGIN"},
    {WIRE_TIMEOUT, 2060012, "STS_EAGAIN"},
    {WIRE_PROTOCOL, 2060046, "STS_EPLUGIN"},
    {WIRE_ARENA, 2060046, "STS_EPLUGIN"},
    {WIRE_LIMIT, 2060903, "STS_ECONNECT"},
};

int main(void) {
  CHECK(sizeof(wanted) / sizeof(wanted[0]) == WIRE_LIMIT + 1);
  for (uint32_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
    CHECK(wanted[i].result == i);
    CHECK(status_of_result(i) == wanted[i].status);
    CHECK(strcmp(status_name(wanted[i].status), wanted[i].name) == 0);
  }
  /* A newer engine's result, and rubbish, are errors that NetBackup knows. */
  CHECK(status_of_result(WIRE_LIMIT + 1) == STS_EPLUGIN && status_of_result(UINT32_MAX) == STS_EPLUGIN);
  CHECK(strcmp(status_name(STS_ECLAIM), "STS_ECLAIM") == 0 && strcmp(status_name(1), "STS_?") == 0);
  return check_done("status");
}
